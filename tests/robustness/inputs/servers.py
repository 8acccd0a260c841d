"""Bad input to servers: the specs that describe them, what they listen on, and the secret that they share."""

import json
import sys
from pathlib import Path

import pytest

from serving.server.spec import ServerSpec
from serving.settings import RunSettings
from system.models.presets import preset
from tests.robustness.bad_input import BadInput

DEEP = 100_000


def spec(**changes):
    """Return the JSON of a spec with other values, without those that are `...`."""
    decoder = preset("tiny_llama")
    plain = ServerSpec(name="a", decoder=decoder, first_block=0, block_count=2, cache_slot_count=4, cache_tokens=64)
    content = {**json.loads(plain.to_json()), **changes}
    return json.dumps({key: value for key, value in content.items() if value is not ...})


def paced(**changes):
    """Return the JSON of a spec with a pace."""
    pace = {"module": "system.service.linear_law", "function": "step_alone_s", "block_s": [0, 0, 0], "settings": []}
    return spec(pace=pace | changes)


def shaped(**changes):
    """Return the JSON of a spec with a decoder of another shape."""
    return spec(decoder=json.loads(spec())["decoder"] | changes)


def from_file(content):
    """Return a run that reads a spec from a file, a folder or nothing."""

    def read(folder: Path):
        from serving.__main__ import spec_of

        path = folder / "spec.json"
        if content is not None:
            path.write_bytes(content)
        return spec_of(str(path if content != b"folder" else folder))

    return read


def read(text):
    """Return what reads a spec from a JSON text."""
    return lambda folder: ServerSpec.from_json(text)


# Kind, name, JSON, field, value, remedy
SPECS = (
    ("null or wrong type", "null", "null", "spec = ", "None", "must be a mapping"),
    ("null or wrong type", "a number", "5", "spec = ", "5", "must be a mapping"),
    ("null or wrong type", "a text", '"server"', "spec = ", "server", "must be a mapping"),
    ("null or wrong type", "a list", "[1]", "spec = ", "[1]", "must be a mapping"),
    ("python sentence", "half a JSON", '{"name": ', "spec = ", "JSON", "is not understood as JSON"),
    ("python sentence", "an unknown key", spec(speed=1), "key of spec = ", "speed", "unknown"),
    ("data as code", "a target", spec(_target_="os.abort"), "key of spec = ", "_target_", "unknown"),
    ("data as code", "a target in a decoder", shaped(_target_="os.abort"), "decoder of spec = ", "_target_", "unknown"),
    ("python sentence", "no name", spec(name=...), "name of spec", "is missing", "give"),
    ("no upper bound", "a name of 10^6 letters", spec(name="a" * 10**6), "name = ", "aaa", "at most 200 characters"),
    ("null or wrong type", "no decoder", spec(decoder=None), "decoder of spec", "is missing", "give"),
    (
        "null or wrong type",
        "a decoder by name",
        spec(decoder="tiny"),
        "decoder of spec = ",
        "tiny",
        "must be a mapping",
    ),
    ("null or wrong type", "a name that is a number", spec(name=5), "name = ", "5", "must be text"),
    (
        "null or wrong type",
        "a count that is text",
        spec(block_count="2"),
        "block_count = ",
        "2",
        "must be a whole number",
    ),
    ("null or wrong type", "a count that is a list", spec(threads=[1]), "threads = ", "[1]", "must be a whole number"),
    ("boolean or unit", "a count that is true", spec(cache_slot_count=True), "slot_count = ", "True", "whole number"),
    ("boolean or unit", "a word for a boolean", spec(cuda_graphs="maybe"), "cuda_graphs = ", "maybe", "true or false"),
    (
        "null or wrong type",
        "a first block of -1",
        spec(first_block=-1),
        "first_block = ",
        "-1",
        "must be a whole number",
    ),
    ("null or wrong type", "a first block of 0.5", spec(first_block=0.5), "first_block = ", "0.5", "must be a whole"),
    ("no upper bound", "more blocks than the model", spec(block_count=7), "blocks = ", "0 to 6", "ends at block 5"),
    ("no upper bound", "10^12 slots", spec(cache_slot_count=10**12), "cache_slot_count = ", "10000000", "at most"),
    ("no upper bound", "10^12 tokens", spec(cache_tokens=10**12), "cache_tokens = ", "10000000", "at most"),
    ("no upper bound", "10^9 threads", spec(threads=10**9), "threads = ", "10000000", "at most"),
    ("no upper bound", "a seed of 41 digits", spec(weights=10**41), "weights = ", "1000", "must be a seed"),
    ("no upper bound", "a negative seed", spec(weights=-1), "weights = ", "-1", "must be a seed"),
    ("null or wrong type", "weights that are null", spec(weights=None), "weights = ", "None", "must be a seed"),
    ("null or wrong type", "an unknown dtype", spec(dtype="int3"), "dtype = ", "int3", "must be one of"),
    ("null or wrong type", "a dtype that is a list", spec(dtype=[]), "dtype = ", "[]", "must be one of"),
    ("null or wrong type", "an unknown batching", spec(batching="all"), "batching = ", "all", "must be one of"),
    ("null or wrong type", "an unknown stacking", spec(stacking="some"), "stacking = ", "some", "must be one of"),
    ("null or wrong type", "a budget of text", spec(batching="mixed", budget_tokens="9"), "tokens = ", "9", "a whole"),
    (
        "no upper bound",
        "a budget of 0",
        spec(batching="mixed", budget_tokens=0),
        "budget_tokens = ",
        "0",
        "whole number",
    ),
    (
        "no upper bound",
        "10^12 tokens at once",
        spec(batching="mixed", budget_tokens=10**12),
        "= ",
        "10000000",
        "at most",
    ),
    ("null or wrong type", "a budget without use", spec(budget_tokens=9), "budget_tokens = ", "9", "batching = mixed"),
    ("null or wrong type", "no budget", spec(batching="mixed"), "budget_tokens = ", "None", "batching = mixed"),
    ("null or wrong type", "a device that is null", spec(device=None), "device = ", "None", "must be text"),
    ("python sentence", "a number that is NaN", spec(first_block=float("nan")), "spec = ", "NaN", "no number of JSON"),
    ("python sentence", "a number of 5,000 digits", f'{{"name": 1{"0" * 5000}}}', "spec = ", "5001 digits", "correct"),
    ("no upper bound", "deep nesting", "[" * DEEP + "]" * DEEP, "spec = ", "JSON", "nested"),
    ("python sentence", "a key twice", '{"name": "a", "name": "b"}', "spec = ", "name", "appears twice"),
    ("null or wrong type", "a pace that is a number", spec(pace=5), "pace of spec = ", "5", "must be a mapping"),
    ("data as code", "a pace that is no name", paced(module="os; abort"), "module of pace = ", "os; abort", "the name"),
    ("null or wrong type", "two times of a pace", paced(block_s=[0, 0]), "block_s = ", "(0, 0)", "give three numbers"),
    (
        "untrusted client",
        "a pace of 10^9 s",
        paced(block_s=[0, 0, 1e9]),
        "block_s = ",
        "1000000000.0",
        "3600 s at most",
    ),
    ("untrusted client", "a negative pace", paced(block_s=[0, 0, -1]), "block_s[2] = ", "-1", "finite number"),
    ("null or wrong type", "a pace of text", paced(block_s="fast"), "block_s = ", "fast", "must be an array"),
)
# What a file holds, value, remedy
FILES = (
    ("a missing file", None, "spec.json", "there is no such file"),
    ("a folder", b"folder", "", "is a folder"),
    ("a binary file", b"\x80\x00\xff", "spec.json", "is not text"),
    ("another encoding", "{}".encode("utf-16"), "spec.json", "is in UTF-16"),
    ("an empty file", b"", "JSON", "is not understood as JSON"),
)


def listen(address):
    """Return what lets a server listen on an address."""

    def run(folder):
        from serving.transport.zeromq_port import ZeromqPort

        ZeromqPort(address).close()

    return run


def connect(address):
    """Return what connects to a server's address."""

    def run(folder):
        from serving.transport.zeromq_connection import ZeromqConnection

        ZeromqConnection(address).close()

    return run


FORM = "give tcp://HOST:PORT"
REACHED = "other machines reach it; give --secret FILE, or --open"
LISTENS = (
    ("tcp://0.0.0.0:5701", REACHED),
    ("tcp://*:5701", REACHED),
    ("tcp://[::]:5701", REACHED),
    ("tcp://10.0.0.1:5701", REACHED),
    ("tcp://127.0.0.1.nip.io:5701", FORM),
    ("tcp://[::ffff:0.0.0.0]:*", REACHED),
    ("tcp://no.where:1", FORM),
    ("tcp://127.0.0.1:1;0.0.0.0:5701", FORM),
    ("ipc:///tmp/server", FORM),
    ("inproc://server", FORM),
    ("udp://127.0.0.1:5701", FORM),
    ("127.0.0.1:5701", FORM),
    ("tcp://127.0.0.1", FORM),
    ("tcp://127.0.0.1:http", FORM),
    ("tcp://127.0.0.1:-1", FORM),
    ("tcp://127.0.0.1:0", "its port must lie between 1 and 65535"),
    ("tcp://127.0.0.1:70000", "its port must lie between 1 and 65535"),
    ("", FORM),
)
CONNECTS = (
    ("tcp://127.0.0.1:*", FORM),
    ("tcp://*:5701", FORM),
    ("tcp://127.0.0.1:99999", "its port must lie between 1 and 65535"),
    ("ipc:///tmp/server", FORM),
    ("10.0.0.1", FORM),
    (5701, FORM),
)


def secret(content):
    """Return what reads a secret from a file with this content."""

    def run(folder):
        from serving.transport.secret import secret_of

        path = folder / "secret"
        if content is not None:
            path.write_bytes(content)
        secret_of(str(path))

    return run


SECRETS = (
    ("a missing secret", None, "secret", "there is no such file"),
    ("an empty secret", b"", "0 characters", "needs 16"),
    ("a short secret", b"hello\n", "5 characters", "needs 16"),
    ("a secret that is no text", b"\xff" * 40, "secret", "is not in UTF-8"),
)
SETTINGS = (
    ("addresses of text", {"addresses": "tcp://a:1"}, "addresses = ", "tcp://a:1", "must be a list"),
    ("addresses that are numbers", {"addresses": [5701]}, "addresses = ", "5701", "must be a list"),
    ("addresses that are null", {"addresses": None}, "addresses = ", "None", "must be a list"),
    ("a secret of pipes", {"secret": "file"}, "secret = ", "file", "use engine=zeromq"),
)


def command(*words):
    """Return what starts a server with these words."""

    def run(folder):
        from serving.__main__ import main

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["serving", "--spec", spec(), *words])
            main()

    return run


# Words of the command that would be ignored
IGNORED = (
    ("secret", ("--descriptor", "0", "--secret", "file")),
    ("open", ("--descriptor", "0", "--open")),
)


BAD = (
    *(
        BadInput("null or wrong type", f"{name} of a pipe", command(*words), f"{name} = ", "given", "use --bind")
        for name, words in IGNORED
    ),
    *(BadInput(kind, f"spec: {name}", read(text), *parts) for kind, name, text, *parts in SPECS),
    *(
        BadInput("null or wrong type", f"spec: {name}", from_file(content), "spec = ", *parts)
        for name, content, *parts in FILES
    ),
    *(
        BadInput("untrusted client", f"listen on {address}", listen(address), "bind = ", address, remedy)
        for address, remedy in LISTENS
    ),
    *(
        BadInput("null or wrong type", f"connect to {address}", connect(address), "addresses = ", str(address), remedy)
        for address, remedy in CONNECTS
    ),
    *(BadInput("untrusted client", name, secret(content), "secret", *parts) for name, content, *parts in SECRETS),
    *(
        BadInput("null or wrong type", name, lambda folder, given=given: RunSettings(**given), *parts)
        for name, given, *parts in SETTINGS
    ),
)
