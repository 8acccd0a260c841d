"""The description of a server: plain data that travels as JSON. Needs no torch."""

import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system import NotApplicableError
from system.checks import float_vector, require, require_boolean, require_count, require_one_of
from system.documents.entries import Entry
from system.documents.json_files import json_of
from system.limits import LARGEST_SEED, NAME, SLOTS, STEP_S, THREADS, TOKENS
from system.models.decoder import Decoder
from system.service.model import Batching, ServiceModel, Stacking, StepRules

DtypeName = Literal["float32", "bfloat16", "float16"]
# Fields that belong to the server's host. A running server may differ in them from what a run planned.
OF_THE_HOST = ("name", "device", "threads", "sm_count", "cuda_graphs")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The least duration of steps: a service model's function, by the names of its module and of the function."""

    module: str
    function: str
    block_s: tuple[float, ...]  # (3,) coefficients of one block
    settings: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for field in ("module", "function"):
            name = getattr(self, field)
            is_name = isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
            require(is_name, f"{field} of pace", name, "must be the name of a service model's module and function")
        require(float_vector("block_s", self.block_s).size == 3, "block_s", self.block_s, "give three numbers")
        require(max(self.block_s) <= STEP_S, "block_s", self.block_s, f"a step may last {STEP_S:g} s at most")
        float_vector("settings of pace", self.settings, -np.inf)

    @staticmethod
    def of(service: ServiceModel, block_s: NDArray[Any], settings: NDArray[Any]) -> "Pace":
        """Return the pace of a server under a service model.

        `block_s` (3,) are the server's coefficients of one block, `settings` those of the model there. Raises
        `NotApplicableError` for service models with handling beside a step, with a time of the orchestrator's head, or
        with slowdowns: a paced run does not imitate these.
        """
        beside_s = max(service.rules.handling_s, service.rules.head_s)
        if beside_s > 0 or not bool((service.factors(np.random.default_rng(0)) == 1).all()):
            raise NotApplicableError(
                f"pace: paced runs do not imitate the slowdown, handling or head of service = {service}; leave them out"
            )
        function = service.step_s
        times = {"block_s": tuple(block_s.tolist()), "settings": tuple(settings.tolist())}
        return Pace(module=function.__module__, function=function.__name__, **times)


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """The blocks, cache slots and settings of one server.

    - `first_block`, `block_count`: the consecutive blocks of the model that it hosts.
    - `cache_slot_count`: cache slots, each for `cache_tokens` tokens of one job in one block.
    - `batching`, `stacking`, `budget_tokens`: how it chooses the steps that it computes together, as in
      `system.service.model.StepRules`. PETALS computes steps as `serial` does.
    - `pace`: a least duration of steps, with which a server imitates a slower one.
    - `sm_count`: how many multiprocessors of a CUDA device are the server's own; None: all servers share all of them.
    - `cuda_graphs`: on a CUDA device one-token steps are replayed as CUDA graphs.
    """

    name: str
    decoder: Decoder
    first_block: int
    block_count: int
    cache_slot_count: int
    cache_tokens: int
    weights: int | str = 0  # the seed of random weights, or the folder of a checkpoint
    dtype: DtypeName = "float32"
    device: str = "cpu"
    batching: Batching = "serial"
    stacking: Stacking = "all_waiting"
    budget_tokens: int | None = None
    pace: Pace | None = None
    threads: int = 1
    sm_count: int | None = None
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        for field in ("name", "device"):
            value = getattr(self, field)
            is_name = isinstance(value, str) and len(value) <= NAME
            require(is_name, field, value, f"must be text of at most {NAME} characters")
        require_count(block_count=self.block_count, **{} if self.sm_count is None else {"sm_count": self.sm_count})
        require_count(SLOTS, cache_slot_count=self.cache_slot_count)
        require_count(TOKENS, cache_tokens=self.cache_tokens)
        require_count(THREADS, threads=self.threads)
        require(is_whole(self.first_block), "first_block", self.first_block, "must be a whole number, 0 or above")
        end, limit = self.first_block + self.block_count, self.decoder.block_count
        require(end <= limit, "blocks", f"{self.first_block} to {end - 1}", f"the model ends at block {limit - 1}")
        require_weights(self.weights)
        require_boolean(cuda_graphs=self.cuda_graphs)
        require_one_of(get_args(DtypeName), dtype=self.dtype)
        StepRules(batching=self.batching, stacking=self.stacking, budget_tokens=self.budget_tokens)  # checks them

    def to_json(self) -> str:
        """Return the spec as JSON on one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "ServerSpec":
        """Return the spec of a JSON text.

        Raises `InputError` if the text is not the JSON of a spec.
        """
        content = json_of(text, "spec")
        entry = _entry("spec", content, ServerSpec)
        decoder = _entry("decoder of spec", entry.content.get("decoder"), Decoder)
        given = {**entry.content, "decoder": Decoder(**decoder.content)}
        if given.get("pace") is not None:
            pace = _entry("pace of spec", given["pace"], Pace)
            given["pace"] = Pace(**{key: _plain(value) for key, value in pace.content.items()})
        return ServerSpec(**given)

    def require_serves(self, wanted: "ServerSpec") -> None:
        """Raise `InputError` unless this server can serve as the wanted one.

        Fields of its host, such as the device, may differ, and so may the folders from which both read weights.
        """
        for field in fields(self):
            actual, needed = getattr(self, field.name), getattr(wanted, field.name)
            both_read = field.name == "weights" and isinstance(actual, str) and isinstance(needed, str)
            same = actual == needed or both_read or field.name in OF_THE_HOST
            remedy = f"this run needs {needed}; start the server again with that"
            require(same, f"{field.name} of server {wanted.name}", actual, remedy)

    @property
    def largest_body_bytes(self) -> int:
        """Return the bytes of hidden states that a message may have.

        They are twice those of the longest prompt in float32, so that a prompt that is too long gets an answer.
        """
        return 2 * 4 * self.cache_tokens * self.decoder.hidden_size

    @property
    def checkpoint(self) -> Path | None:
        """Return the folder of the weights, or None for random ones."""
        return Path(self.weights) if isinstance(self.weights, str) else None


def require_weights(weights: object) -> None:
    """Raise `InputError` unless these are the seed of weights or a folder."""
    is_seed = is_whole(weights) and weights <= LARGEST_SEED  # type: ignore[operator]
    is_folder = isinstance(weights, str) and weights != "" and "\0" not in weights
    require(is_seed or is_folder, "weights", weights, f"must be a seed from 0 to {LARGEST_SEED}, or a folder")


def is_whole(value: object) -> bool:
    """Return whether the value is a whole number, 0 or above."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _entry(label: str, content: Any, kind: type) -> Entry:
    """Return a mapping that has the keys of a dataclass, and no others."""
    entry = Entry.of(label, content, [field.name for field in fields(kind)])
    for field in fields(kind):
        if field.default is MISSING:
            entry.value(field.name, f"the {field.name} of a server that `evaluator.engine=zeromq` describes")
    return entry


def _plain(value: Any) -> Any:
    """Return a list as a tuple, and other values unchanged."""
    return tuple(value) if isinstance(value, list) else value
