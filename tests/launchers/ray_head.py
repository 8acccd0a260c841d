"""A Ray cluster that runs before a sweep starts: one head with two CPUs, for the duration of a test."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports

START_S = 60.0


@contextmanager
def ray_environment() -> Iterator[dict[str, str]]:
    """Yield environment variables that keep Ray's files and token in one folder.

    The folder has a short path, as paths of sockets have at most 107 characters.
    """
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as name:
        token = Path(name, "token")
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        yield {"RAY_TMPDIR": name, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


@contextmanager
def ray_head(environment: dict[str, str]) -> Iterator[str]:
    """Start the head, and yield its address."""
    (port,) = free_ports(1)
    start = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    own = ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={environment['RAY_TMPDIR']}/head"]
    head = subprocess.Popen([*start, *own], env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(head, port)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()  # its processes go with it
        head.wait()


def _wait_until_it_listens(head: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        assert head.poll() is None, "ray start ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the head does not start"
            time.sleep(0.2)
        else:
            return
