"""Start commands for llama.cpp: RPC servers and a llama-server for each chain that has servers of its own."""

from exports.chains import Export, hop_words, shared_names
from exports.llamacpp import (
    MOST_SERVERS,
    MOST_SLOTS,
    ONE_BATCH,
    RPC_PROTOCOL,
    TESTED_BUILD,
    host_command,
    rpc_server_command,
)
from exports.scripts import Description, address, address_lines, comment, optional, required, script, without_commands
from system import Composition
from system.models.precisions import weight_precision
from system.words import counted, listed

ENGINE = "llama.cpp"
RPC_PORT = 50052  # of the RPC server of the first server; the next servers count on
PORT = 8080  # where the llama-server of the first chain takes requests; likewise

NOTES = f"""\
llama.cpp b{TESTED_BUILD} (RPC protocol {RPC_PROTOCOL}), the build that these lines were started with. It needs
the backend RPC (cmake -DGGML_RPC=ON), and the same build on all machines.
First run the line of each server on that server. Anybody who reaches an RPC server can use it, so ADDRESS_... are
addresses in a private network. On a machine with several GPUs, name one: add --device CUDA0, and so on.
Then run the line of each chain where the requests come in. This llama-server is the orchestrator of the chain: it
holds the embedding and sends each step to the RPC servers in turn. LISTEN is the address at which it takes them.
It computes a token of each of its requests in one step (lockstep), so requests slow each other, which the service
model `independent` does not count.
The last server of a chain also holds the output head, which the plan does not count.
Send each request to the fastest llama-server that serves fewer requests than its capacity, -np (JFFC)."""
# Files by the precision of weights, with the bits of a weight that they really take.
FILES = {
    "16 bit": "F16 or BF16",
    "int8": "Q8_0 (8.5 bits a weight; the plan counts 8.1)",
    "nf4": "IQ4_XS (4.25 bits a weight; the plan counts 4.3) or smaller",
    "float32": "F32",
}
CACHES = {"8 bit": ["-ctk", "q8_0", "-ctv", "q8_0", "-fa", "on"], "float32": ["-ctk", "f32", "-ctv", "f32"]}
CACHES |= {"fp8": CACHES["8 bit"]} | {name: ["-ctk", name, "-ctv", name, "-fa", "on"] for name in ("q8_0", "q4_0")}
SHARED = "an RPC server serves one llama-server at a time, but chains share servers"
TOO_LONG = f"a llama-server splits a model over at most {MOST_SERVERS} servers"
TOO_WIDE = f"a llama-server serves at most {MOST_SLOTS} requests at once"
CAUSES = (SHARED, TOO_LONG, TOO_WIDE)  # why a chain has no llama-server
EIGHT_BITS = "The cache q8_0 takes 8.5 bits a number, 6 % more than planned."


def llamacpp_export(
    composition: Composition, description: Description, rpc_port: int = RPC_PORT, port: int = PORT
) -> Export:
    """Return a shell script with RPC servers and a llama-server for each chain.

    A chain that shares servers, or is too long or too wide, gets a comment. Ports count on from the given ones:
    `rpc_port` by the number of the server, `port` by that of the chain.
    """
    description.check(composition)
    reasons = [_reason(composition, k) for k in range(len(composition))]
    started = [k for k, reason in enumerate(reasons) if not reason]
    commands = [
        _chain(composition, k, description, rpc_port, port) if k in started else _no_chain(composition, k, reasons[k])
        for k in range(len(composition))
    ]
    why = "" if len(started) == len(composition) else _summary(reasons)
    if not started:
        return without_commands(ENGINE, why, description, commands)
    text = script(_notes(description), _variables(composition, started, description), commands)
    return Export(ENGINE, tuple(started), why, text)


def _variables(composition: Composition, started: list[int], description: Description) -> list[str]:
    """Return the lines that take the model, the programs and the addresses."""
    servers = sorted(j for k in started for j in composition.chain(k).servers)
    return [
        required("MODEL", "GGUF file of the model"),
        optional("RPC_SERVER", "ggml-rpc-server") + " # older builds call it rpc-server",
        optional("LLAMA_SERVER", "llama-server"),
        optional("LISTEN", "127.0.0.1"),
        *address_lines(composition, servers, description),
    ]


def _chain(composition: Composition, k: int, description: Description, rpc_port: int, port: int) -> str:
    """Return one line for each server of chain k, and one for its llama-server."""
    chain, hops = composition.chain(k), hop_words(composition, k)
    heading = f"chain {k + 1}"
    lines = [
        comment(f"{heading}, server {n + 1} of {len(hops)}: {hop}")
        + _line(rpc_server_command('"$RPC_SERVER"', f'"${address(j)}"', rpc_port + j))
        for n, (hop, j) in enumerate(zip(hops, chain.servers, strict=True))
    ]
    rpc_addresses = [f'"${address(j)}":{rpc_port + j}' for j in chain.servers]
    tokens = composition.system.model.cache_tokens
    host = host_command(
        *('"$LLAMA_SERVER"', '"$MODEL"', rpc_addresses, chain.blocks, chain.capacity, tokens),
        host='"$LISTEN"',
        port=port + k,
    )
    where = comment(f"{heading}, its llama-server, for {counted(chain.capacity, 'request')} at once")
    return "".join(lines) + where + _line([*host, *ONE_BATCH, *CACHES.get(description.cache, [])])


def _line(command: list[str]) -> str:
    """Return a command whose words are quoted already where they need it."""
    return f"{' '.join(command)}\n"


def _reason(composition: Composition, k: int) -> str:
    """Return why chain k has no llama-server, or nothing."""
    shared, chain = shared_names(composition, k), composition.chain(k)
    if shared:
        return f"{SHARED}: other chains also use {listed(shared)}"
    if len(chain.servers) > MOST_SERVERS:
        return f"{TOO_LONG}: it has {len(chain.servers)}"
    return f"{TOO_WIDE}: its capacity is {chain.capacity}" if chain.capacity > MOST_SLOTS else ""


def _no_chain(composition: Composition, k: int, reason: str) -> str:
    return comment(f"chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no llama-server: {reason}")


def _summary(reasons: list[str]) -> str:
    """Return why chains are not started, for all of them."""
    return listed([cause for cause in CAUSES if any(reason.startswith(cause) for reason in reasons)])


def _file(weights: str) -> str:
    """Return the type of a GGUF file for weights of a precision."""
    precision = weight_precision(weights)
    if weights in FILES or precision.scheme == "gguf":
        return FILES.get(weights, weights.upper())
    return f"at most {8 * precision.value_bytes:.3g} bits (there is no {weights} in GGUF)"


def _notes(description: Description) -> list[str]:
    weights = f"MODEL is a GGUF file with weights of {_file(description.weights)}, on this machine."
    cache = [EIGHT_BITS] if description.cache in ("8 bit", "fp8") else []
    return [description.about, *NOTES.splitlines(), weights, *cache]
