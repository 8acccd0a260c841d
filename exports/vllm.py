"""Start commands for vLLM: one engine for each chain that has servers of its own."""

from exports.chains import Export, hop_words, own_chains, shared_names
from exports.scripts import Description, address, address_lines, comment, required, script, without_commands
from system import Composition
from system.models.precisions import cache_precision, weight_precision
from system.words import listed

ENGINE = "vLLM"
TESTED_VERSION = "0.32.0"
PORT = 8000  # where the engine of the first chain takes requests; the next chains count on
MASTER_PORT = 29501  # where the stages of the first chain find each other; likewise

NOTES = f"""\
vLLM {TESTED_VERSION}, whose own parser has read these lines; other versions may name options differently.
One engine for each chain: run each line on its server, with the variables set there. The first server of a chain
takes the requests. ADDRESS_... are addresses at which the servers of a chain reach each other, and INTERFACE is
the network interface of the server with its address.
GPUs of one machine need no nodes: if they are the stages of a chain, run its first line alone, without --nnodes,
--node-rank, --master-addr and --master-port, and with CUDA_VISIBLE_DEVICES in the order of the stages.
GPUs older than NVIDIA's Ampere do not compute in bfloat16: add --dtype half to all lines of their chain.
Check in vLLM's list of supported models that it can split the model into pipeline stages.
Send each request to the fastest engine that serves fewer requests than its capacity, --max-num-seqs (JFFC).
The first and last stages also hold the embedding and the output head, which the plan does not count.
The predicted times are NOT valid for vLLM: it batches requests continuously, and its cache is paged:
--max-num-seqs limits requests but reserves no memory."""
DIRECT = "Its stages also send to each other directly, not through an orchestrator."  # said of plans over the hub
INSTALL = f"Install on every server: pip install vllm=={TESTED_VERSION}"
PLUGIN = "vllm-bnb-plugin, as bitsandbytes is not a part of vLLM since 0.28"

# Options by the precisions of a plan. Without them weights have 16 bits and a cache those of the computation.
WEIGHTS = {
    "int8": " --quantization int8_per_channel_weight_only",
    "nf4": " --quantization bitsandbytes",
    "float32": " --dtype float32",
}
CACHES = {"8 bit": " --kv-cache-dtype fp8", "fp8": " --kv-cache-dtype fp8"}
HALF_BYTES = 2.0  # of a number in 16 bit
OTHER_FILES = ("gguf", "mlx")  # weights that other engines read
NOT_IN_4_BITS = ("bloom",)  # their classes in vLLM name no packed modules, which bitsandbytes needs


def vllm_export(composition: Composition, description: Description) -> Export:
    """Return a shell script with one engine for each chain that shares no server."""
    description.check(composition)
    refusal = _refusal(description)
    if refusal:
        return without_commands(ENGINE, refusal, description)
    own = own_chains(composition)
    engines = [
        _engine(composition, k, description) if k in own else _no_engine(composition, k)
        for k in range(len(composition))
    ]
    reason = "" if len(own) == len(composition) else "a worker belongs to one engine, but chains share servers"
    if not own:
        return without_commands(ENGINE, reason, description, engines)
    notes, variables = _notes(composition, description), _variables(composition, own, description)
    return Export(ENGINE, tuple(own), reason, script(notes, variables, engines))


def _refusal(description: Description) -> str:
    """Return why vLLM cannot serve the model as planned."""
    scheme, bits = weight_precision(description.weights).scheme, cache_precision(description.cache).value_bytes
    if scheme in OTHER_FILES:
        return f"it reads no weights in {description.weights}, which are for other engines"
    if description.cache not in CACHES and bits < HALF_BYTES:
        return f"it keeps no {description.cache} cache"
    if description.cache not in CACHES and (description.cache == "float32") != (description.weights == "float32"):
        return f"it keeps no {description.cache} cache beside {description.weights} weights"
    if description.family in NOT_IN_4_BITS and description.weights == "nf4":
        return f"its plugin for bitsandbytes cannot load {description.family} models in 4 bits"
    return ""


def _variables(composition: Composition, own: list[int], description: Description) -> list[str]:
    """Return the lines that take the model and the addresses of stages."""
    chains = [composition.chain(k).servers for k in own]
    staged = sorted(j for servers in chains if len(servers) > 1 for j in servers)
    interface = [required("INTERFACE", "network interface of this server")] if staged else []
    return [
        required("MODEL", "name or folder of the model"),
        *address_lines(composition, staged, description),
        *interface,
    ]


def _notes(composition: Composition, description: Description) -> list[str]:
    install = f"{INSTALL} {PLUGIN}" if description.weights == "nf4" else INSTALL
    direct = [DIRECT] if composition.system.forwarding == "hub" else []
    return [description.about, install, *NOTES.splitlines(), *direct]


def _engine(composition: Composition, k: int, description: Description) -> str:
    """Return one line for each stage of chain k; the first takes the requests."""
    chain, hops = composition.chain(k), hop_words(composition, k)
    serve = _serve(composition, k, description)
    stages = len(chain.servers)
    if stages == 1:
        return comment(f"chain {k + 1}: {hops[0]}") + f"{serve} --port {PORT + k}\n"
    serve += (
        f" --pipeline-parallel-size {stages} --distributed-executor-backend mp --nnodes {stages} "
        f'--master-addr "${address(chain.servers[0])}" --master-port {MASTER_PORT + k}'
    )
    split = f"VLLM_PP_LAYER_PARTITION={','.join(map(str, chain.blocks))}"
    return "".join(
        comment(f"chain {k + 1}, stage {n + 1} of {stages}: {hop}")
        + f"{_network(j)} {split} {serve} --node-rank {n} {'--headless' if n else f'--port {PORT + k}'}\n"
        for n, (hop, j) in enumerate(zip(hops, chain.servers, strict=True))
    )


def _serve(composition: Composition, k: int, description: Description) -> str:
    precision = WEIGHTS.get(description.weights, "") + CACHES.get(description.cache, "")
    tokens, capacity = composition.system.model.cache_tokens, composition.capacity[k]
    return f'vllm serve "$MODEL" --max-model-len {tokens} --max-num-seqs {capacity}{precision}'


def _network(j: int) -> str:
    return f'VLLM_HOST_IP="${address(j)}" GLOO_SOCKET_IFNAME="$INTERFACE" NCCL_SOCKET_IFNAME="$INTERFACE"'


def _no_engine(composition: Composition, k: int) -> str:
    return comment(
        f"chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no engine: a vLLM worker belongs to one "
        f"engine, but other chains also use {listed(shared_names(composition, k))}"
    )
