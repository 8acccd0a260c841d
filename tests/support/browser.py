"""Chromium without a window, told what to do over a pipe in its DevTools protocol: https://chromedevtools.github.io."""

import json
import os
import shutil
import subprocess
from itertools import count

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # which containers refuse
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",  # commands at file descriptor 3, answers and events at 4; each ends in a zero byte
)
DOMAINS = ("Page", "Runtime", "Log", "Network")
PROBLEMS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


def executable():
    """Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with one page; a call sends a command and returns its result. `events` is what was told meanwhile."""

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
        self.numbers, self.page, self.events, self.told = count(1), {}, [], b""
        target = next(each for each in self("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self.page = {"sessionId": self("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]}
        for domain in DOMAINS:
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        number = next(self.numbers)
        asked = {"id": number, "method": method, "params": parameters, **self.page}
        with open(self.commands, "wb", closefd=False) as pipe:
            pipe.write(json.dumps(asked).encode() + b"\0")
        answer = self._next()
        while answer.get("id") != number:
            answer = self._next()
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        """The next message, kept if it is an event."""
        while b"\0" not in self.told:
            read = os.read(self.answers, 1 << 20)
            assert read, "Chromium is gone"
            self.told += read
        message, _, self.told = self.told.partition(b"\0")
        found = json.loads(message)
        if "method" in found:
            self.events.append(found)
        return found

    def open(self, path):
        """Load a file and wait until all of it is there."""
        self.events.clear()
        self("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def problems(self):
        """What came to the console or went wrong since a file was opened."""
        self.evaluate("0")  # all that was told before this is answered
        return [event["params"] for event in self.events if event["method"] in PROBLEMS]

    def requests(self):
        """The addresses that were asked for, but for data within the page."""
        asked = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in asked]
        return [url for url in urls if not url.startswith("data:")]

    def evaluate(self, script):
        """The value of an expression on the page."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code):
        """A key, as if typed."""
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def resize(self, width, height, mobile=False):
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def emulate(self, media="screen", scheme="light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", media=media, features=features)

    def close(self):
        self("Browser.close")
        self.process.wait(timeout=30)
        os.close(self.commands)
        os.close(self.answers)


def _become_three_and_four(commands, answers):
    """By way of high numbers, as either pipe may have one of these already."""
    os.dup2(commands, 103)
    os.dup2(answers, 104)
    os.dup2(103, 3)
    os.dup2(104, 4)
