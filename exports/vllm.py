"""Start commands for vLLM: one engine for each chain that has servers of its own."""

from exports.chains import Export, hop_words, own_chains, shared_names
from exports.families import VLLM, family_refusal
from exports.precisions import vllm_cache, vllm_weights
from exports.scripts import (
    Description,
    address,
    address_lines,
    comment,
    optional,
    required,
    script,
    without_commands,
)
from exports.vllm_nodes import CAUSES, Node, node_reason, nodes_of
from system import Composition
from system.words import listed

ENGINE = "vLLM"
TESTED_VERSION = "0.32.0"
PORT = 8000  # where the engine of the first chain takes requests; the next chains count on
MASTER_PORT = 29501  # where the stages of the first chain find each other; likewise

NOTES = f"""\
vLLM {TESTED_VERSION}, whose own parser has read these lines; other versions may name options differently.
One engine for each chain: run each line on its machine, with the variables set there. The first machine of a chain
takes the requests. ADDRESS_... are addresses at which the machines of a chain reach each other, and INTERFACE is
the network interface of the machine with its address. GPUs of one machine are stages of one line; GPUS_... are their
numbers there, in the order of the stages.
GPUs older than NVIDIA's Ampere do not compute in bfloat16: add --dtype half to all lines of their chain.
Check in vLLM's list of supported models that it can split the model into pipeline stages.
Send each request to the fastest engine that serves fewer requests than its capacity, --max-num-seqs (JFFC).
The first and last stages also hold the embedding and the output head.
The predicted times are NOT valid for vLLM: it batches requests continuously, and its cache is paged:
--max-num-seqs limits requests but reserves no memory."""
DIRECT = "Its stages also send to each other directly, not through an orchestrator."  # said of plans over the hub
INSTALL = f"Install on every server: pip install vllm=={TESTED_VERSION}"
PLUGIN = "vllm-bnb-plugin, as bitsandbytes is not a part of vLLM since 0.28"
NOT_IN_4_BITS = ("bloom",)  # their classes in vLLM name no packed modules, which bitsandbytes needs
SHARED = "a worker belongs to one engine, but chains share servers"


def vllm_export(composition: Composition, description: Description) -> Export:
    """Return a shell script with one engine for each chain that shares no server."""
    description.check(composition)
    refusal = _refusal(description)
    if refusal:
        return without_commands(ENGINE, refusal, description)
    nodes = [nodes_of(composition, k, description) for k in range(len(composition))]
    reasons = _reasons(composition, nodes)
    started = [k for k, reason in enumerate(reasons) if not reason]
    engines = [
        _engine(composition, k, nodes[k], description) if k in started else _no_engine(composition, k, reasons[k])
        for k in range(len(composition))
    ]
    reason = listed([cause for cause in (SHARED, *CAUSES) if any(why.startswith(cause) for why in reasons)])
    if not started:
        return without_commands(ENGINE, reason, description, engines)
    variables = _variables(composition, [nodes[k] for k in started], description)
    return Export(ENGINE, tuple(started), reason, script(_notes(composition, description), variables, engines))


def _refusal(description: Description) -> str:
    """Return why vLLM cannot serve the model as planned."""
    weights, cache = vllm_weights(description.weights), vllm_cache(description.cache, description.weights)
    if description.family in NOT_IN_4_BITS and description.weights == "nf4":
        return f"its plugin for bitsandbytes cannot load {description.family} models in 4 bits"
    return family_refusal(VLLM, description.family) or weights.refusal or cache.refusal


def _reasons(composition: Composition, nodes: list[list[Node]]) -> list[str]:
    """Return why each chain has no engine; nothing for one that has."""
    own = own_chains(composition)
    return [
        node_reason(nodes[k]) if k in own else f"{SHARED}: other chains also use {listed(shared_names(composition, k))}"
        for k in range(len(composition))
    ]


def _variables(composition: Composition, chains: list[list[Node]], description: Description) -> list[str]:
    """Return the lines that take the model, addresses and GPUs."""
    apart = sorted(node.server for nodes in chains if len(nodes) > 1 for node in nodes)
    interface = [required("INTERFACE", "network interface of this machine")] if apart else []
    shared = [node for nodes in chains for node in nodes if node.is_shared]
    return [
        required("MODEL", "name or folder of the model"),
        *address_lines(composition, apart, description),
        *interface,
        *(optional(node.variable, ",".join(map(str, node.numbers))) for node in shared),
    ]


def _notes(composition: Composition, description: Description) -> list[str]:
    install = f"{INSTALL} {PLUGIN}" if description.weights == "nf4" else INSTALL
    direct = [DIRECT] if composition.system.forwarding == "hub" else []
    weights = vllm_weights(description.weights).words
    return [description.about, install, *NOTES.splitlines(), *filter(None, [weights]), *direct]


def _engine(composition: Composition, k: int, nodes: list[Node], description: Description) -> str:
    """Return one line for each machine of chain k; the first takes the requests."""
    hops, count = hop_words(composition, k), len(nodes)
    serve = f"{_serve(composition, k, description)}{_parallel(nodes)}"
    if count == 1:
        heading = comment(f"chain {k + 1}: {' > '.join(hops)}")
        return f"{heading}{_variables_of(nodes, nodes[0])}{serve} --port {PORT + k}\n"
    serve += (
        f" --distributed-executor-backend mp --nnodes {count} "
        f'--master-addr "${address(nodes[0].server)}" --master-port {MASTER_PORT + k}'
    )
    lines, done = [], 0
    for n, node in enumerate(nodes):
        servers = len({stage.server for stage in node.stages})
        words, done = hops[done : done + servers], done + servers
        role = "--headless" if n else f"--port {PORT + k}"
        lines.append(
            comment(f"chain {k + 1}, machine {n + 1} of {count}: {' > '.join(words)}")
            + f"{_network(node.server)} {_variables_of(nodes, node)}{serve} --node-rank {n} {role}\n"
        )
    return "".join(lines)


def _serve(composition: Composition, k: int, description: Description) -> str:
    weights, cache = vllm_weights(description.weights), vllm_cache(description.cache, description.weights)
    precision = "".join(f" {word}" for word in (*weights.options, *cache.options))
    tokens, capacity = composition.system.model.cache_tokens, composition.capacity[k]
    return f'vllm serve "$MODEL" --max-model-len {tokens} --max-num-seqs {capacity}{precision}'


def _parallel(nodes: list[Node]) -> str:
    """Return the options of several stages, and of several GPUs that share each block."""
    stages = sum(len(node.stages) for node in nodes)
    shared = nodes[0].stages[0].device.gpus
    pipeline = f" --pipeline-parallel-size {stages}" if stages > 1 else ""
    return pipeline + (f" --tensor-parallel-size {shared}" if shared > 1 else "")


def _variables_of(nodes: list[Node], node: Node) -> str:
    """Return the variables of one machine's line."""
    gpus = f'CUDA_VISIBLE_DEVICES="${node.variable}" ' if node.is_shared else ""
    blocks = [stage.blocks for other in nodes for stage in other.stages]
    split = f"VLLM_PP_LAYER_PARTITION={','.join(map(str, blocks))} " if len(blocks) > 1 else ""
    return gpus + split


def _network(j: int) -> str:
    return f'VLLM_HOST_IP="${address(j)}" GLOO_SOCKET_IFNAME="$INTERFACE" NCCL_SOCKET_IFNAME="$INTERFACE"'


def _no_engine(composition: Composition, k: int, reason: str) -> str:
    return comment(f"chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no engine: {reason}")
