"""Messages between the orchestrator and its servers.

A message is a fixed header and raw bytes, with nothing that a receiver would execute. A request names a job. Every
answer repeats the kind and the job of its request, and the answer to a STEP carries the server's own times.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from system import InputError
from system.limits import CLOCK_S, TEXT_BYTES

HEADER = struct.Struct("<4sBB???QIIIIIddddQ")
MAGIC = b"SC02"  # two letters and the version of this format
LARGEST_BODY = 2**32  # bytes
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NO_HIDDEN = len(DTYPES)


class Kind(IntEnum):
    """The kind of a request and of its answer.

    - OPEN takes a job's cache slots for some blocks.
    - STEP runs hidden states through these blocks: those of a prompt, of a chunk of one, or of one further token.
    - CLOSE frees the job's cache slots.
    - STATS asks for the server's statistics.
    - READY comes first and is answered, with the server's description, once blocks and cache slots are allocated.
    """

    OPEN = 0
    STEP = 1
    CLOSE = 2
    STATS = 3
    READY = 4


class WireError(InputError):
    """Bytes that are not a message of this format: the sender is another program or has another version."""


@dataclass(frozen=True)
class Message:
    """A request or an answer.

    `last_only` asks for only the last token's hidden state. `prompt` says that the tokens of a STEP are of a prompt;
    otherwise it has one token. `sent_s` is a time of the sender's clock. Of the answer to a STEP, `computed_tokens`
    says how many of its tokens were computed, from the first on. The times are seconds there: `queue_s` it waited for
    steps of other jobs, `compute_s` it was computed, and `held_s` the server then waited to keep its pace.
    """

    kind: Kind
    job: int = 0
    first_block: int = 0
    block_count: int = 0
    last_only: bool = False
    prompt: bool = False
    computed_tokens: int = 0
    hidden: Tensor | None = None  # (1, tokens, hidden size)
    text: str = ""
    refused: bool = False  # the request could not be granted; the text says why
    sent_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0
    held_s: float = 0.0

    @property
    def tokens(self) -> int:
        """Return the number of tokens of a step; 0 for other messages."""
        return 0 if self.hidden is None else self.hidden.shape[1]


@dataclass(frozen=True)
class ReceivedMessage:
    """A message with the time of the server's clock at which it could be read."""

    message: Message
    received_s: float


def pack(message: Message) -> tuple[bytes, memoryview]:
    """Return the header and the body of a message.

    A message has hidden states or text, not both.
    """
    dtype, tokens, width = NO_HIDDEN, 0, 0
    body = memoryview(message.text.encode(errors="replace"))
    if message.hidden is not None:
        dtype, (_, tokens, width) = DTYPES.index(message.hidden.dtype), message.hidden.shape
        body = memoryview(message.hidden.cpu().contiguous().view(torch.uint8).flatten().numpy().data)
    header = HEADER.pack(
        *(MAGIC, message.kind, dtype, message.last_only, message.prompt, message.refused, message.job),
        *(message.first_block, message.block_count, message.computed_tokens, tokens, width),
        *(message.sent_s, message.queue_s, message.compute_s, message.held_s, body.nbytes),
    )
    return header, body


def body_bytes(header: bytes | bytearray, largest: int = LARGEST_BODY) -> int:
    """Return the number of bytes that follow a header.

    Raises `WireError` if these bytes are not a header, if more than `largest` bytes follow, or if a time is none.
    """
    if len(header) != HEADER.size:
        raise _format_error(header)
    magic, kind, dtype, *_, tokens, width, sent_s, queue_s, compute_s, held_s, size = HEADER.unpack(header)
    known = magic == MAGIC and kind < len(Kind) and dtype <= NO_HIDDEN
    if not known or (dtype < NO_HIDDEN and not 0 < tokens * width * DTYPES[dtype].itemsize == size):
        raise _format_error(header)
    largest = largest if dtype < NO_HIDDEN else TEXT_BYTES
    if size > largest:
        raise WireError(f"message bytes = {size}: must be at most {largest:,}; send fewer tokens")
    for time_s in (sent_s, queue_s, compute_s, held_s):
        if not 0 <= time_s <= CLOCK_S:
            raise WireError(f"message times = {time_s:g}: must lie between 0 and {CLOCK_S:g} s; send such times")
    return size


def _format_error(header: bytes | bytearray) -> WireError:
    return WireError(
        f"message header = {bytes(header[:8])!r}...: not of this program's format {MAGIC.decode()}; "
        "run the same version of this program at both ends"
    )


def unpack(header: bytes | bytearray, body: bytearray | memoryview, largest: int = LARGEST_BODY) -> Message:
    """Return the message of a header and a body.

    Its hidden states share the memory of the body. Raises `WireError` if these are not a message, or if the body has
    more than `largest` bytes.
    """
    if body_bytes(header, largest) != len(body):
        raise _format_error(header)
    _, kind, dtype, last_only, prompt, refused, job, *numbers = HEADER.unpack(header)
    first_block, block_count, computed_tokens, tokens, width, *times, _ = numbers
    request = (Kind(kind), job, first_block, block_count, last_only, prompt, computed_tokens)
    if dtype == NO_HIDDEN:
        return Message(*request, None, bytes(body).decode(errors="replace"), refused, *times)
    hidden = torch.frombuffer(body, dtype=DTYPES[dtype]).view(1, tokens, width)
    return Message(*request, hidden, "", refused, *times)
