"""Chromium without a window, driven through a pipe with its DevTools protocol.

The protocol is documented at https://chromedevtools.github.io.
"""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from itertools import count

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers do not allow the sandbox
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",  # commands on file descriptor 3, answers and events on 4; each ends with a zero byte
)
DOMAINS = ("Page", "Runtime", "Log", "Network")
PROBLEMS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
READABLE = 4.5  # contrast that WCAG 2 requires of text (level AA)
CONTRAST = """(names => {
  const light = text => {
    const [red, green, blue] = text.match(/[\\d.]+/g).map(part => part / 255)
      .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * red + .7152 * green + .0722 * blue + .05;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return Object.fromEntries(names.map(name => {
    const ink = light(getComputedStyle(document.querySelector(name)).color);
    return [name, Math.max(ink, ground) / Math.min(ink, ground)];
  }));
})(%s)"""


def executable():
    """Return the path of Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(profile):
    """Start a browser, and close it at the end."""
    if executable() is None:
        pytest.fail("neither Chromium nor Chrome is on the PATH; on Debian: apt install chromium", pytrace=False)
    browser = Browser(profile)
    try:
        yield browser
    finally:
        browser.close()


class Browser:
    """A browser with one page.

    A call sends a command and returns its result. `events` are the events since a file was opened.
    """

    def __init__(self, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        self.process = subprocess.Popen(
            [executable(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=lambda: _become_three_and_four(commands, answers),
        )
        os.close(commands)
        os.close(answers)
        self.numbers, self.page, self.events, self.received = count(1), {}, [], b""
        targets = self("Target.getTargets")["targetInfos"]
        target = next(target for target in targets if target["type"] == "page")
        self.page = {"sessionId": self("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]}
        for domain in DOMAINS:
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters, **self.page}
        with open(self.commands, "wb", closefd=False) as pipe:
            pipe.write(json.dumps(command).encode() + b"\0")
        answer = self._next()
        while answer.get("id") != number:
            answer = self._next()
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        """Return the next message; keep it if it is an event."""
        while b"\0" not in self.received:
            chunk = os.read(self.answers, 1 << 20)
            assert chunk, "Chromium has ended"
            self.received += chunk
        text, _, self.received = self.received.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path):
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def problems(self):
        """Return the problems since a file was opened.

        These are console messages, exceptions and log entries.
        """
        self.evaluate("0")  # all earlier events arrive before the answer
        return [event["params"] for event in self.events if event["method"] in PROBLEMS]

    def requests(self):
        """Return the addresses that the page requested.

        Data inside the page does not count.
        """
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def evaluate(self, script):
        """Return the value of an expression on the page."""
        answer = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def contrasts(self, *selectors):
        """Return the contrast of the first text of each selector to the page."""
        return self.evaluate(CONTRAST % json.dumps(selectors))

    def press(self, key, code):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def resize(self, width, height, mobile=False):
        """Set the size of the page in pixels."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def emulate(self, media="screen", scheme="light"):
        """Set the media type and the colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", media=media, features=features)

    def close(self):
        """Close the browser and its pipes."""
        self("Browser.close")
        self.process.wait(timeout=30)
        os.close(self.commands)
        os.close(self.answers)


def _become_three_and_four(commands, answers):
    """Move the pipes to file descriptors 3 and 4.

    They are first moved to high numbers, because either may have the number 3 or 4 already.
    """
    os.dup2(commands, 103)
    os.dup2(answers, 104)
    os.dup2(103, 3)
    os.dup2(104, 4)
