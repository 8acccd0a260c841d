"""The engines that serve models: what each of them can run, and what its messages cost."""

import math
from dataclasses import dataclass
from typing import Literal

from exports.llamacpp import MOST_DEVICES, MOST_SLOTS
from system.checks import require_known
from system.documents.entries import Entry


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Facts about an engine that decide which plans it can start, and how fast they are.

    `any` stands for no particular engine: nothing is restricted. The embedding lies in the memory of the orchestrator's
    own GPU, if it is a server of the plan, in the orchestrator's other memory (`host`), on the first server of each
    chain, or at the client. The output head lies on the last server of each chain, or at the client.
    """

    name: str
    own_servers: bool  # whether a server belongs to one chain only
    reads_gguf: bool = False  # and no other files
    keeps_to_chains: bool = True  # or clients choose their own paths
    steps_inside: bool = False  # whether a server that is a whole chain begins the next token without a message
    most_devices: float = math.inf  # of a chain; likewise:
    most_slots: float = math.inf
    embedding: Literal["orchestrator", "host", "first", "client"]
    head: Literal["last", "client"] = "last"
    service: str  # the service model of `conf/service` that is nearest to it, with the batch curves of its servers
    manner: str  # how servers compute by it, in words
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
        Engine(
            name="any",
            own_servers=False,
            embedding="orchestrator",
            service="steps_decode",
            manner="compute prompts one by one and stack one-token steps",
            prefill_ms=0.28,
            token_ms=0.28,
            source="as llama.cpp near by, as PETALS farther away",
        ),
        Engine(
            name="llama.cpp",
            own_servers=True,
            reads_gguf=True,
            most_devices=MOST_DEVICES,
            most_slots=MOST_SLOTS,
            embedding="host",
            service="lockstep",
            manner="compute all requests of a chain together (as in llama.cpp)",
            prefill_ms=0.28,
            token_ms=0.28,
            source=LLAMACPP,
        ),
        Engine(
            name="vllm",
            own_servers=True,
            steps_inside=True,
            embedding="first",
            service="token_budget",
            manner="compute up to 2,048 tokens of all requests together (as in vLLM)",
            prefill_ms=0.23,
            token_ms=0.23,
            source=VLLM,
        ),
        Engine(
            name="petals",
            own_servers=False,
            keeps_to_chains=False,
            embedding="client",
            head="client",
            service="steps",
            manner="compute one step of one request at a time (as in PETALS)",
            prefill_ms=18.0,
            token_ms=18.0,
            source=PETALS,
        ),
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
