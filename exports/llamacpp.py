"""Commands of llama.cpp: one RPC server for each server of a chain, and one llama-server for each chain.

The llama-server of a chain holds the embedding, sends each step to the RPC servers in turn, and answers clients. Layers
follow `--tensor-split`: layer i of L goes to the first device whose cumulative share exceeds i/(L + 1), and the output
head counts as layer L. So the numbers of blocks, with the head added to the last, are exact.
"""

from collections.abc import Sequence

from system.checks import require, require_count

TESTED_BUILD = 10434  # of llama.cpp; options and log lines of other builds may differ
RPC_PROTOCOL = 5  # of that build; both ends of a connection must have the same one
SLOT_TOKENS = 256  # the context of a slot is a multiple of this
MOST_DEVICES = 15  # numbers that `--tensor-split` takes
MOST_SLOTS = 256  # of a llama-server

# Options under which runs are comparable: the memory of the devices decides nothing, no prompt is remembered, and a
# request takes the slot that is free the longest. Continuous batching and the warm-up before the first request are the
# defaults of llama-server.
EXACT_PLACEMENT = ("-ngl", "999", "--fit", "off")
NO_MEMORY_OF_PROMPTS = ("--no-cache-prompt", "--cache-ram", "0", "--slot-prompt-similarity", "0")
ALONE = ("--offline", "--no-ui")
# A step is then one batch of all busy slots; otherwise busy slots that are not neighbours split it.
ONE_BATCH = ("--kv-unified",)


def rpc_server_command(
    binary: str, host: str, port: int, threads: int | None = None, device: str | None = None
) -> list[str]:
    """Return the command of one server of a chain.

    An RPC server offers every GPU of its machine, or else its CPU. `device` names those that it offers instead, with
    commas and in order. The protocol has no password, so `host` belongs to a private network.
    """
    options = [] if threads is None else ["--threads", str(threads)]
    options += [] if device is None else ["--device", device]
    return [binary, "--host", host, "--port", str(port), *options]


def host_command(
    binary: str,
    model_file: str,
    rpc_addresses: Sequence[str],
    blocks: Sequence[int],
    slots: int,
    slot_tokens: int,
    host: str,
    port: int,
) -> list[str]:
    """Return the command of the llama-server of one chain.

    `rpc_addresses` are HOST:PORT of the chain's RPC servers in order, and `blocks` what each of its devices runs. The
    chain serves `slots` requests at once, each of up to `slot_tokens` tokens, prompt and output together. Further
    options, such as `cpu_threads`, may follow.
    """
    rpc = ("--rpc", ",".join(rpc_addresses)) if rpc_addresses else ()
    enough = len(blocks) >= len(rpc_addresses)
    require(enough, "blocks", list(blocks), f"must be {len(rpc_addresses)} numbers or more, one for each device")
    return [
        *(binary, "--model", model_file, *rpc),
        *("--tensor-split", tensor_split(blocks), *EXACT_PLACEMENT),
        *("-np", str(slots), "-c", str(context_tokens(slots, slot_tokens))),
        *NO_MEMORY_OF_PROMPTS,
        *ALONE,
        *("--host", host, "--port", str(port)),
    ]


def cpu_threads(count: int) -> list[str]:
    """Return the options of a llama-server that computes on so many threads."""
    return ["--threads", str(count), "--threads-batch", str(count)]


def tensor_split(blocks: Sequence[int]) -> str:
    """Return shares that give each device exactly its blocks.

    Devices count in the order of RPC servers and of the devices that each of them offers. The last one has the output
    head too.
    """
    require_count(MOST_DEVICES, **{"devices of a chain": len(blocks)})
    for count in blocks:
        require_count(**{"blocks of a device": count})
    return ",".join(map(str, [*blocks[:-1], blocks[-1] + 1]))


def context_tokens(slots: int, slot_tokens: int) -> int:
    """Return the tokens of all slots, each rounded up to a multiple of 256."""
    require_count(slots=slots, slot_tokens=slot_tokens)
    return slots * SLOT_TOKENS * -(-slot_tokens // SLOT_TOKENS)
