"""Messages between the orchestrator and its servers: a fixed header and raw bytes, nothing that a receiver would run.

A request names a job; OPEN takes cache slots for blocks, STEP runs hidden states through them, CLOSE frees the slots,
STATS asks what the server is. Every answer repeats the request's kind and job, and that of a STEP carries the
server's own times.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from system import InputError

HEADER = struct.Struct("<4sBB??QIIIIddddQ")
MAGIC = b"SC01"  # these two letters, and the version of this format
LARGEST_BODY = 2**32  # bytes
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NO_HIDDEN = len(DTYPES)


class Kind(IntEnum):
    """What is asked or answered. READY is asked first, and answered once blocks and slab are there."""

    OPEN = 0
    STEP = 1
    CLOSE = 2
    STATS = 3
    READY = 4


class WireError(InputError):
    """Bytes that are no message of this format: the sender is something else, or of another version."""


@dataclass(frozen=True)
class Message:
    """`last_only` asks for the last token's hidden state alone; `sent_s` is of the sender's clock.

    The other times are in seconds and belong to the answer of a STEP: how long it waited for steps of other jobs, its
    computation, and how long the server then waited to keep its pace.
    """

    kind: Kind
    job: int = 0
    first_block: int = 0
    block_count: int = 0
    last_only: bool = False
    hidden: Tensor | None = None  # (1, tokens, hidden size)
    text: str = ""
    refused: bool = False  # the answer to what cannot be done; the text says why
    sent_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0
    held_s: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of a step."""
        return 0 if self.hidden is None else self.hidden.shape[1]


@dataclass(frozen=True)
class ReceivedMessage:
    """A message as a server has it: with the time of the server's clock at which it was there to be read."""

    message: Message
    received_s: float


def pack(message: Message) -> tuple[bytes, memoryview]:
    """Header and body. A message has hidden states or text, not both."""
    dtype, tokens, width = NO_HIDDEN, 0, 0
    body = memoryview(message.text.encode())
    if message.hidden is not None:
        dtype, (_, tokens, width) = DTYPES.index(message.hidden.dtype), message.hidden.shape
        body = memoryview(message.hidden.cpu().contiguous().view(torch.uint8).flatten().numpy().data)
    header = HEADER.pack(
        *(MAGIC, message.kind, dtype, message.last_only, message.refused, message.job),
        *(message.first_block, message.block_count, tokens, width),
        *(message.sent_s, message.queue_s, message.compute_s, message.held_s, body.nbytes),
    )
    return header, body


def body_bytes(header: bytes | bytearray) -> int:
    """Bytes that follow a header; raises `WireError` if it is none."""
    if len(header) != HEADER.size:
        raise _no_message(header)
    magic, kind, dtype, *_, tokens, width, _, _, _, _, size = HEADER.unpack(header)
    known = magic == MAGIC and kind < len(Kind) and dtype <= NO_HIDDEN and size <= LARGEST_BODY
    if not known or (dtype < NO_HIDDEN and not 0 < tokens * width * DTYPES[dtype].itemsize == size):
        raise _no_message(header)
    return size


def _no_message(header: bytes | bytearray) -> WireError:
    return WireError(
        f"message header = {bytes(header[:8])!r}...: not of this program's format {MAGIC.decode()}; "
        "is another program or version at the other end?"
    )


def unpack(header: bytes | bytearray, body: bytearray | memoryview) -> Message:
    """The message; its hidden states share the body's memory. Raises `WireError` if these are no message."""
    if body_bytes(header) != len(body):
        raise _no_message(header)
    _, kind, dtype, last_only, refused, job, first_block, block_count, tokens, width, *times, _ = HEADER.unpack(header)
    about = (Kind(kind), job, first_block, block_count, last_only)
    if dtype == NO_HIDDEN:
        return Message(*about, None, bytes(body).decode(errors="replace"), refused, *times)
    hidden = torch.frombuffer(body, dtype=DTYPES[dtype]).view(1, tokens, width)
    return Message(*about, hidden, "", refused, *times)
