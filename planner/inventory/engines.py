"""The engines that serve models: what each of them can run, and what its messages cost."""

from dataclasses import dataclass

from system.checks import require_known
from system.documents.entries import Entry


@dataclass(frozen=True)
class Engine:
    """Facts about an engine that decide which plans it can start, and how fast they are.

    `any` stands for no particular engine: nothing is restricted.
    """

    name: str
    own_servers: bool  # whether a server belongs to one chain only
    service: str  # the service model of `conf/service` that is nearest to it, with the batch curves of its servers
    prefill_ms: float  # that a message with a prompt costs beside its round trip; likewise:
    token_ms: float  # that a message with one token costs
    source: str  # of these costs


# llama.cpp: `hop_s` of hardware_profiles/llamacpp_cpu.yaml; with a GPU 1/60 - 1/63 s, so .8 ms, in its first version.
# vLLM: a stage receives two messages of metadata over gloo and two of activations over NCCL.
LLAMACPP = (
    "what an RPC server of llama.cpp b10434 added to a token on one machine, measured by this project; .8 ms in its "
    "first version (github.com/ggml-org/llama.cpp/pull/6829)"
)
VLLM = (
    "two messages over gloo of .07 ms each (github.com/pytorch/pytorch/pull/8766) and two over NCCL on TCP of .046 ms "
    "(github.com/NVIDIA/nccl-tests/issues/82), not measured in vLLM itself"
)
PETALS = "serialization as the authors of PETALS measured it (sequence_manager.py; paper Sec. 4)"
ENGINES = {
    engine.name: engine
    for engine in (
        Engine("any", False, "steps_decode", 0.28, 0.28, "as llama.cpp near by, as PETALS farther away"),
        Engine("llama.cpp", True, "lockstep", 0.28, 0.28, LLAMACPP),
        Engine("vllm", True, "token_budget", 0.23, 0.23, VLLM),
        Engine("petals", False, "steps", 18.0, 18.0, PETALS),
    )
}
ANY = ENGINES["any"]


def engine_of(top: Entry) -> Engine:
    """Return the engine that a file names, or `any`."""
    if "engine" not in top:
        return ANY
    name = top.text("engine", f"one of {', '.join(ENGINES)}").lower()
    require_known("engine", name, ENGINES)
    return ENGINES[name]
