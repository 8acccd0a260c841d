"""Bad input to servers from their clients: steps that nobody opened, and headers of messages."""

import math
from functools import cache
from importlib.util import find_spec

from system import InputError
from tests.robustness.bad_input import BadInput

HAS_RUNTIME = find_spec("torch") is not None
if HAS_RUNTIME:  # its import takes seconds, which are not those of a refusal
    import torch

    from serving.launch.in_process import LocalConnection
    from serving.server.executor import StepExecutor
    from serving.transport.messages import HEADER, MAGIC, Kind, Message, unpack
    from tests.support import small_run

OPEN = 0  # the kind of a message


@cache
def executor():
    """Return a paced server's executor."""
    return StepExecutor(small_run.specs(pace=small_run.pace(0, 0, 1e-6))[0])


def sent(**changes):
    """Return a run that sends a step and raises the reason for its refusal."""

    def run(folder):
        executor().forget()
        connection = LocalConnection(executor())
        step = {"job": 1, "first_block": 0, "block_count": 2, "hidden": torch.zeros(1, 1, 72)}
        shape, dtype = changes.pop("shape", (1, 1, 72)), changes.pop("dtype", "float32")
        step |= {"hidden": torch.zeros(shape, dtype=getattr(torch, dtype))}
        message = Message(**({"kind": Kind.STEP} | step | changes))
        connection.send(Message(Kind.OPEN, 1, 0, 2), message)
        raise InputError(next(answer.text for answer in connection.receive() if answer.refused))

    return run


STEPS = (
    ("2^32 - 1 blocks", {"block_count": 2**32 - 1}, "blocks of job 1 = ", "4294967295 from 0", "it opened 2 from 0"),
    ("fewer blocks", {"block_count": 1}, "blocks of job 1 = ", "1 from 0", "it opened 2 from 0"),
    ("another first block", {"first_block": 1}, "blocks of job 1 = ", "2 from 1", "it opened 2 from 0"),
    ("another job", {"job": 2**64 - 1}, "job = ", "18446744073709551615", "is not open"),
    ("too many tokens", {"prompt": True, "shape": (1, 513, 72)}, "tokens of job 1 = ", "513", "a cache slot holds 512"),
    ("two tokens of no prompt", {"shape": (1, 2, 72)}, "tokens of job 1 = ", "2", "a step after the prompt has one"),
    ("another width", {"shape": (1, 1, 71)}, "hidden states of job 1 = ", "71", "this server computes 72"),
    ("another dtype", {"dtype": "float16"}, "hidden states of job 1 = ", "float16", "this server computes 72"),
    ("no hidden states", {"hidden": None}, "hidden states of job 1 = ", "none", "this server computes 72"),
)
OPENS = (
    ("blocks beyond the server's", (1, 2), "blocks of job 7 = ", "1 to 2", "this server hosts 0 to 1"),
    ("no blocks", (0, 0), "blocks of job 7 = ", "0 to -1", "this server hosts 0 to 1"),
    ("2^32 - 1 blocks to open", (0, 2**32 - 1), "blocks of job 7 = ", "0 to 4294967294", "this server hosts 0 to 1"),
)


def opened(first_block, block_count):
    """Return a run that opens a job and raises the reason for its refusal."""
    return sent(kind=OPEN, job=7, first_block=first_block, block_count=block_count)


def header(**changes):
    """Return what unpacks a message with other values in its header."""

    def run(folder):
        fields = ("magic", "kind", "dtype", "last", "prompt", "refused", "job", "first", "count", "computed")
        values = dict.fromkeys((*fields, "tokens", "width", "sent_s", "queue_s", "compute_s", "held_s", "size"), 0)
        values |= {"magic": MAGIC, "dtype": 3} | changes
        unpack(HEADER.pack(*values.values()), bytearray(8), largest=1000)

    return run


HEADERS = (
    ("a time that is NaN", {"sent_s": math.nan, "size": 8}, "message times = ", "nan", "between 0 and 1e+09 s"),
    ("a negative time", {"queue_s": -1.0, "size": 8}, "message times = ", "-1", "between 0 and 1e+09 s"),
    ("an endless pause", {"held_s": math.inf, "size": 8}, "message times = ", "inf", "between 0 and 1e+09 s"),
    ("a huge pause", {"held_s": 1e300, "size": 8}, "message times = ", "1e+300", "between 0 and 1e+09 s"),
    ("a text of 1 GB", {"size": 2**30}, "message bytes = ", "1073741824", "at most 1,048,576"),
    ("a body of 4 GB", {"dtype": 0, "tokens": 2**28, "width": 4, "size": 2**32}, "bytes = ", "4294967296", "at most"),
    ("a size that is not the body's", {"size": 9}, "message header = ", "SC02", "not of this program's format"),
    ("an unknown kind", {"kind": 200}, "message header = ", "SC02", "not of this program's format"),
    ("another version", {"magic": b"SC01"}, "message header = ", "SC01", "not of this program's format SC02"),
    ("another program", {"magic": b"HTTP"}, "message header = ", "HTTP", "not of this program's format"),
)
ROWS = (
    *((f"step: {name}", sent(**given), *parts) for name, given, *parts in STEPS),
    *((f"open: {name}", opened(*given), *parts) for name, given, *parts in OPENS),
    *((f"header: {name}", header(**given), *parts) for name, given, *parts in HEADERS),
)
BAD = tuple(BadInput("untrusted client", *row) for row in ROWS) if HAS_RUNTIME else ()
