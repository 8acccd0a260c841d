"""The secret that an orchestrator and its servers share, and the keys with which they encrypt their messages.

CURVE, ZeroMQ's encryption, needs the server's public key at the client. Here both ends derive the server's keys from
the secret, so that the public key is known to nobody else: a client without the secret does not get past the greeting.
The secret itself is never sent, and a greeting that somebody recorded opens nothing.
"""

import hashlib
import os
import secrets
from pathlib import Path

import zmq
from zmq.utils import z85

from system.checks import require
from system.documents.text_files import read_text
from system.limits import SECRET_CHARACTERS

# The name of the environment variable that holds a secret itself.
VARIABLE = "CHAIN_SECRET"
REMEDY = "write one with: python -c 'import secrets; print(secrets.token_urlsafe())' > FILE"


class Secret:
    """A text that nobody else knows. It is in no message, log or representation."""

    def __init__(self, text: str, source: str = "secret") -> None:
        length = len(text.strip())
        require(length >= SECRET_CHARACTERS, source, f"{length} characters", f"needs {SECRET_CHARACTERS}; {REMEDY}")
        require(zmq.has("curve"), source, "given", "this libzmq has no CURVE; install pyzmq from its wheel")
        content = text.strip().encode(errors="surrogateescape")  # the environment may hold bytes of another encoding
        digest = hashlib.blake2b(content, digest_size=32, person=b"server of blocks")
        self._key = z85.encode(digest.digest())

    def guard_server(self, socket: "zmq.Socket[bytes]") -> None:
        """Let only clients with this secret past a socket's greeting."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._key)

    def open_server(self, socket: "zmq.Socket[bytes]") -> None:
        """Let a socket greet servers with this secret."""
        public, private = zmq.curve_keypair()
        socket.set(zmq.CURVE_SERVERKEY, zmq.curve_public(self._key))
        socket.set(zmq.CURVE_PUBLICKEY, public)
        socket.set(zmq.CURVE_SECRETKEY, private)


def secret_of(path: str | None) -> Secret | None:
    """Return the secret in a file, or in the environment variable `CHAIN_SECRET`.

    None if neither is given.
    """
    if path is not None:
        require(
            isinstance(path, str) and path != "" and "\0" not in path,
            "secret",
            repr(path),
            "must be the path of a file, or null",
        )
        return Secret(read_text(Path(path), "secret"), f"secret in {path}")
    text = os.environ.get(VARIABLE)
    return None if text is None else Secret(text, VARIABLE)


def new_secret() -> str:
    """Return a random secret."""
    return secrets.token_urlsafe(32)


def write_secret(path: Path) -> Path:
    """Write a random secret to a file of the owner, unless there is one."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"{new_secret()}\n")
    return path
