"""What the log of a PETALS server says."""

import re

ADDRESS = re.compile(r"Running a server on \[(?:'[^']*', )*?'(/ip4/127\.0\.0\.1/[^']+)'")
READY = re.compile(r"\[INFO\] Started$", flags=re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ERROR = re.compile(r"^(?:[\w.]*(?:Error|Exception|Failed|Exit)\b.*|.*\[(?:ERROR|CRITICAL)\].*)$", flags=re.MULTILINE)
OPENED = re.compile(r"rpc_inference\.open\(blocks=(\d+):(\d+)")
ALLOCATED = "rpc_inference.alloc_done"


def plain(text: str) -> str:
    """Return a log without colours."""
    return COLOURS.sub("", text)


def address_in(text: str) -> str | None:
    """Return the address at which others reach the server, once it is known."""
    match = ADDRESS.search(plain(text))
    return match.group(1) if match else None


def is_ready(text: str) -> bool:
    """Return whether the server takes requests."""
    return READY.search(plain(text)) is not None


def last_error(text: str) -> str:
    """Return a log's last error, or its last line."""
    lines = plain(text).strip().splitlines()
    errors = ERROR.findall(plain(text))
    return (errors or lines or ["it wrote nothing"])[-1].strip()


def sessions(text: str) -> tuple[int, int]:
    """Return how many sessions clients opened, and how many of them got cache."""
    return len(OPENED.findall(plain(text))), plain(text).count(ALLOCATED)
