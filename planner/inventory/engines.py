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
    service: str  # the service model of `conf/service` that is nearest to it
    prefill_ms: float  # that a message with a prompt costs beside its round trip; likewise:
    token_ms: float  # that a message with one token costs
    source: str  # of these costs


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("any", False, "steps", 18.0, 18.0, "measured over the Internet (paper Sec. 4)"),
        Engine("llama.cpp", True, "lockstep", 18.0, 18.0, "measured over the Internet (paper Sec. 4)"),
        Engine("vllm", True, "token_budget", 18.0, 18.0, "measured over the Internet (paper Sec. 4)"),
        Engine("petals", False, "steps", 18.0, 18.0, "measured over the Internet (paper Sec. 4)"),
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
