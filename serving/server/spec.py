"""The description of a server: plain data that travels as JSON. Needs no torch."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system import InputError, NotApplicableError
from system.checks import float_vector, require, require_count, require_not_negative, require_one_of
from system.models.decoder import Decoder
from system.service.model import Batching, ServiceModel, require_batching

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
        require(float_vector("block_s", self.block_s).size == 3, "block_s", self.block_s, "give three numbers")

    @staticmethod
    def of(service: ServiceModel, block_s: NDArray[Any]) -> "Pace":
        """Return the pace of a server under a service model.

        `block_s` (3,) are the server's coefficients of one block. Raises `NotApplicableError` for service models with
        handling beside a step or with slowdowns, which a paced server does not imitate.
        """
        is_even = service.handling_s == 0 and bool((service.factors(np.random.default_rng(0)) == 1).all())
        if not is_even:
            raise NotApplicableError(
                f"pace: paced servers do not imitate the slowdown or handling of service = {service}; leave both out"
            )
        function = service.step_s
        times = {"block_s": tuple(block_s.tolist()), "settings": tuple(service.settings.tolist())}
        return Pace(module=function.__module__, function=function.__name__, **times)


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """The blocks, cache slots and settings of one server.

    - `first_block`, `block_count`: the consecutive blocks of the model that it hosts.
    - `cache_slot_count`: cache slots, each for `cache_tokens` tokens of one job in one block.
    - `batching`: `serial` computes one step at a time in the order of arrival, as PETALS does; `decode` computes
      waiting one-token steps together.
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
    pace: Pace | None = None
    threads: int = 1
    sm_count: int | None = None
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        require_count(
            block_count=self.block_count, cache_slot_count=self.cache_slot_count, cache_tokens=self.cache_tokens
        )
        require_count(threads=self.threads, **{} if self.sm_count is None else {"sm_count": self.sm_count})
        require_not_negative(first_block=self.first_block)
        end, limit = self.first_block + self.block_count, self.decoder.block_count
        require(end <= limit, "blocks", f"{self.first_block} to {end - 1}", f"the model ends at block {limit - 1}")
        require_batching(self.batching)
        require_one_of(get_args(DtypeName), dtype=self.dtype)

    def to_json(self) -> str:
        """Return the spec as JSON on one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "ServerSpec":
        """Return the spec of a JSON text.

        Raises `InputError` if the text is not the JSON of a spec.
        """
        try:
            given: dict[str, Any] = json.loads(text)
            given["decoder"] = Decoder(**given["decoder"])
            if given.get("pace") is not None:
                given["pace"] = Pace(**{key: _plain(value) for key, value in given["pace"].items()})
            return ServerSpec(**given)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"spec = {text[:80]}: is not the description of a server ({error}); give the JSON of a ServerSpec"
            ) from error

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
    def checkpoint(self) -> Path | None:
        """Return the folder of the weights, or None for random ones."""
        return Path(self.weights) if isinstance(self.weights, str) else None


def _plain(value: Any) -> Any:
    """Return a list as a tuple, and other values unchanged."""
    return tuple(value) if isinstance(value, list) else value
