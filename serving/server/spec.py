"""What a server has to know in order to be one: plain data that travels as JSON. Needs no torch."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from serving.blocks.architecture import Architecture
from system import InputError, NotApplicableError
from system.checks import float_vector, require, require_count, require_not_negative, require_one_of
from system.service.model import Batching, ServiceModel, require_batching

DtypeName = Literal["float32", "bfloat16", "float16"]
OF_THE_HOST = ("name", "device", "threads", "sm_count", "cuda_graphs")  # these may differ from where a run was planned


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long steps last at least: the function of a service model, by the names of its module and its own."""

    module: str
    function: str
    block_s: tuple[float, ...]  # coefficients of one block
    settings: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(float_vector("block_s", self.block_s).size == 3, "block_s", self.block_s, "give three numbers")

    @staticmethod
    def of(service: ServiceModel, block_s: NDArray[Any]) -> "Pace":
        """Return the pace of a server with these coefficients (3,) under a service model.

        Raises `NotApplicableError` for what a paced server does not play: handling beside a step, and slowdowns.
        """
        is_even = service.handling_s == 0 and bool((service.factors(np.random.default_rng(0)) == 1).all())
        if not is_even:
            raise NotApplicableError(
                f"pace: servers play no slowdown or handling of service = {service}; leave both out"
            )
        function = service.step_s
        times = {"block_s": tuple(block_s.tolist()), "settings": tuple(service.settings.tolist())}
        return Pace(module=function.__module__, function=function.__name__, **times)


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """Blocks `first_block`, ... of a model, a slab of `slot_count` block-slots, and how steps are served.

    `batching`: `serial` computes one step at a time in the order of arrival, as PETALS does; `decode` computes the
    one-token steps that wait together. With a `pace` a step lasts at least so long, and a server plays a slower one.
    On a CUDA device `sm_count` of its multiprocessors are the server's own (None: all are everybody's), and one-token
    steps are `cuda_graphs`.
    """

    name: str
    architecture: Architecture
    first_block: int
    block_count: int
    slot_count: int
    cache_tokens: int
    weights: int | str = 0  # the seed of random weights, or the folder of a checkpoint
    dtype: DtypeName = "float32"
    device: str = "cpu"
    batching: Batching = "serial"
    pace: Pace | None = None
    threads: int = 1
    sm_count: int | None = None
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        require_count(block_count=self.block_count, slot_count=self.slot_count, cache_tokens=self.cache_tokens)
        require_count(threads=self.threads, **{} if self.sm_count is None else {"sm_count": self.sm_count})
        require_not_negative(first_block=self.first_block)
        end, limit = self.first_block + self.block_count, self.architecture.block_count
        require(end <= limit, "blocks", f"{self.first_block} to {end - 1}", f"the model ends at block {limit - 1}")
        require_batching(self.batching)
        require_one_of(get_args(DtypeName), dtype=self.dtype)

    def to_json(self) -> str:
        """On one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "ServerSpec":
        """Raises `InputError` if it is not the JSON of a spec."""
        try:
            given: dict[str, Any] = json.loads(text)
            given["architecture"] = Architecture(**given["architecture"])
            if given.get("pace") is not None:
                given["pace"] = Pace(**{key: _plain(value) for key, value in given["pace"].items()})
            return ServerSpec(**given)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"spec = {text[:80]}: is not the description of a server ({error})") from error

    def require_serves(self, wanted: "ServerSpec") -> None:
        """Raise `InputError` unless a server of this spec may stand for the wanted one, on whatever device it is."""
        for field in fields(self):
            is_, needed = getattr(self, field.name), getattr(wanted, field.name)
            both_read = field.name == "weights" and isinstance(is_, str) and isinstance(needed, str)
            same = is_ == needed or both_read or field.name in OF_THE_HOST
            require(same, f"{field.name} of server {wanted.name}", is_, f"this run needs {needed}; start it anew")

    @property
    def checkpoint(self) -> Path | None:
        """Where the weights are read from, if they are not random."""
        return Path(self.weights) if isinstance(self.weights, str) else None


def _plain(value: Any) -> Any:
    """Return what JSON has as a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value
