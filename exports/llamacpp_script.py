"""Start commands for llama.cpp: RPC servers and a llama-server for each chain that has servers of its own."""

from exports.chains import Export, hop_words, shared_names
from exports.families import LLAMACPP, family_refusal
from exports.llamacpp import (
    MOST_DEVICES,
    MOST_SLOTS,
    ONE_BATCH,
    RPC_PROTOCOL,
    TESTED_BUILD,
    host_command,
    rpc_server_command,
)
from exports.llamacpp_devices import Hop, device_lines, device_option, gpu_layers, hops_of
from exports.precisions import llamacpp_cache, llamacpp_weights
from exports.scripts import Description, address, address_lines, comment, optional, required, script, without_commands
from system import Composition
from system.words import counted, listed

ENGINE = "llama.cpp"
RPC_PORT = 50052  # of the RPC server of the first server; the next servers count on
PORT = 8080  # where the llama-server of the first chain takes requests; likewise

NOTES = f"""\
llama.cpp b{TESTED_BUILD} (RPC protocol {RPC_PROTOCOL}), the build that these lines were started with. It needs
the backend RPC (cmake -DGGML_RPC=ON), and the same build on all machines.
First run the line of each server on that server. Anybody who reaches an RPC server can use it, so ADDRESS_... are
addresses in a private network. On a machine with other GPUs, name the one to use: add --device CUDA0, and so on.
Then run the line of each chain where the requests come in. This llama-server is the orchestrator of the chain: it
holds the embedding and sends each step to the RPC servers in turn. LISTEN is the address at which it takes them.
It computes a token of each of its requests in one step (lockstep), so requests slow each other, which the service
model `independent` does not count.
The last server of a chain also holds the output head.
Send each request to the fastest llama-server that serves fewer requests than its capacity, -np (JFFC)."""
DEVICES = """\
DEVICES_... are a machine's devices in the order in which they take blocks, as --list-devices of llama-server and the
log of ggml-rpc-server name them: CUDA0, ROCm0, Vulkan0, Metal, or CPU for blocks in the memory beside the GPUs."""
BESIDE = """\
Over RPC the processor also computes the prompts of its blocks, which the plan leaves to the GPU: expect them slower. A
llama-server leaves them to the GPU where all servers of its chain are in its own machine (rtt_ms: 0)."""
SHARED = "an RPC server serves one llama-server at a time, but chains share servers"
TOO_LONG = f"a llama-server splits a model over at most {MOST_DEVICES} devices"
TOO_WIDE = f"a llama-server serves at most {MOST_SLOTS} requests at once"
IN_PARALLEL = "llama.cpp does not share a block between GPUs over RPC (tensor parallel); list them as gpus alone"
CAUSES = (SHARED, TOO_LONG, TOO_WIDE, IN_PARALLEL)  # why a chain has no llama-server


def llamacpp_export(
    composition: Composition, description: Description, rpc_port: int = RPC_PORT, port: int = PORT
) -> Export:
    """Return a shell script with RPC servers and a llama-server for each chain.

    A chain that shares servers, or is too long or too wide, gets a comment. Ports count on from the given ones:
    `rpc_port` by the number of the server, `port` by that of the chain.
    """
    description.check(composition)
    refusal = _refusal(description)
    if refusal:
        return without_commands(ENGINE, refusal, description)
    hops = [hops_of(composition, k, description) for k in range(len(composition))]
    reasons = [_reason(composition, k, hops[k]) for k in range(len(composition))]
    started = [k for k, reason in enumerate(reasons) if not reason]
    commands = [
        _chain(composition, k, hops[k], description, (rpc_port, port))
        if k in started
        else _no_chain(composition, k, reasons[k])
        for k in range(len(composition))
    ]
    why = "" if len(started) == len(composition) else _summary(reasons)
    if not started:
        return without_commands(ENGINE, why, description, commands)
    used = [hop for k in started for hop in hops[k]]
    text = script(_notes(description, used), _variables(composition, used, description), commands)
    return Export(ENGINE, tuple(started), why, text)


def _refusal(description: Description) -> str:
    """Return why llama.cpp cannot serve the model as planned."""
    weights, cache = llamacpp_weights(description.weights), llamacpp_cache(description.cache)
    return family_refusal(LLAMACPP, description.family) or weights.refusal or cache.refusal


def _variables(composition: Composition, hops: list[Hop], description: Description) -> list[str]:
    """Return the lines that take the model, the programs, the addresses and the devices."""
    over_rpc = sorted(hop.server for hop in hops if hop.over_rpc)
    rpc_server = [optional("RPC_SERVER", "ggml-rpc-server") + " # older builds call it rpc-server"]
    return [
        required("MODEL", "GGUF file of the model"),
        *(rpc_server if over_rpc else []),
        optional("LLAMA_SERVER", "llama-server"),
        optional("LISTEN", "127.0.0.1"),
        *address_lines(composition, over_rpc, description),
        *device_lines(composition, hops),
    ]


def _chain(composition: Composition, k: int, hops: list[Hop], description: Description, ports: tuple[int, int]) -> str:
    """Return the lines of a chain's RPC servers and of its llama-server."""
    words, capacity = hop_words(composition, k), composition.chain(k).capacity
    rpc_port, port = ports
    lines = [
        comment(f"chain {k + 1}, server {n + 1} of {len(hops)}: {word}") + _rpc_server(hop, rpc_port)
        for n, (hop, word) in enumerate(zip(hops, words, strict=True))
    ]
    rpc_addresses = [f'"${address(hop.server)}":{rpc_port + hop.server}' for hop in hops if hop.over_rpc]
    blocks = [count for hop in hops for count in hop.blocks]
    tokens = composition.system.model.cache_tokens
    host = host_command(
        *('"$LLAMA_SERVER"', '"$MODEL"', rpc_addresses, blocks, capacity, tokens),
        host='"$LISTEN"',
        port=port + k,
    )
    layers = gpu_layers(hops)
    if layers is not None:
        host[host.index("-ngl") + 1] = str(layers)
    options = [*device_option(hops), *ONE_BATCH, *llamacpp_cache(description.cache).options]
    where = comment(f"chain {k + 1}, its llama-server, for {counted(capacity, 'request')} at once")
    return "".join(lines) + where + _line([*host, *options])


def _rpc_server(hop: Hop, rpc_port: int) -> str:
    """Return the line of a hop's RPC server, or a comment."""
    if not hop.over_rpc:
        return comment("in the machine of the llama-server, which runs these blocks itself")
    device = f'"${hop.variable}"' if hop.is_listed else None
    return _line(rpc_server_command('"$RPC_SERVER"', f'"${address(hop.server)}"', rpc_port + hop.server, device=device))


def _line(command: list[str]) -> str:
    """Return a command whose words are quoted already where they need it."""
    return f"{' '.join(command)}\n"


def _reason(composition: Composition, k: int, hops: list[Hop]) -> str:
    """Return why chain k has no llama-server, or nothing."""
    shared, capacity = shared_names(composition, k), composition.chain(k).capacity
    devices = sum(len(hop.parts) for hop in hops)
    if shared:
        return f"{SHARED}: other chains also use {listed(shared)}"
    if any(device.gpus > 1 for hop in hops for device, _ in hop.parts):
        return IN_PARALLEL
    if devices > MOST_DEVICES:
        return f"{TOO_LONG}: it has {devices}"
    return f"{TOO_WIDE}: its capacity is {capacity}" if capacity > MOST_SLOTS else ""


def _no_chain(composition: Composition, k: int, reason: str) -> str:
    return comment(f"chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no llama-server: {reason}")


def _summary(reasons: list[str]) -> str:
    """Return why chains are not started, for all of them."""
    return listed([cause for cause in CAUSES if any(reason.startswith(cause) for reason in reasons)])


def _notes(description: Description, hops: list[Hop]) -> list[str]:
    weights = f"MODEL is a GGUF file with weights of {llamacpp_weights(description.weights).words}, on this machine."
    cache = llamacpp_cache(description.cache).words
    devices = DEVICES.splitlines() if any(hop.is_listed for hop in hops) else []
    beside = any(hop.over_rpc and len(hop.gpus) < len(hop.parts) for hop in hops)
    devices += BESIDE.splitlines() if beside else []
    return [description.about, *NOTES.splitlines(), *devices, weights, *filter(None, [cache])]
