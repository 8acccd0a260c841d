"""Public measured points: how fast engines generate for one user, on which machines, by which source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hardware_profiles.listed.gpus import profiles_in
from hardware_profiles.profile import GpuProfile
from planner.inventory.models import model_of
from system import ServedModel
from system.checks import require, require_positive
from system.documents.entries import Entry
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml

FILE = Path(__file__).parents[1] / "measured_points.yaml"
CACHE_TOKENS = 2048  # of the one request that a point's inventory has to hold
TIMES = " x "  # between a number and a GPU's name
# One user, and no time for messages beside those that a point's links take.
ALONE = {"workload": {"rate_per_s": 1e-6, "input_tokens": 1, "output_tokens": 128}, "cache_tokens": CACHE_TOKENS}
IN_ONE_MACHINE = {"overheads": {"prefill_ms": 0, "token_ms": 0}}


@dataclass(frozen=True)
class Source:
    """A table or page with measured points, and the rule by which its rows were chosen."""

    address: str
    date: str
    engine: str
    rule: str
    points: list[Any] = field(repr=False)
    context_tokens: int = 0  # mean context of the generated tokens; 0: not stated
    note: str = ""


@dataclass(frozen=True)
class MeasuredPoint:
    """Generated tokens per second for one user, as somebody measured them.

    The machine is one `gpu`, several `gpus` as in `6 x rtx_3090`, or `servers` as an inventory lists them.
    """

    name: str
    source: Source
    model: str
    tokens_per_s: float
    weights: str = ""
    file_gb: float = 0.0  # of all weights, where the source states it instead
    prompt_tokens_per_s: float = 0.0  # 0: not stated
    gpu: str = ""
    gpus: str = ""
    memory_gb: float = 0.0  # of each GPU; 0: as its profile has it
    free_memory_gib: float = 0.0  # of each GPU; 0: as a plan counts it
    servers: list[Any] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)  # of each server; empty: one server has all
    links: Mapping[str, Any] = field(default_factory=dict)  # keys of the inventory

    def __post_init__(self) -> None:
        require_positive(tokens_per_s=self.tokens_per_s)
        machines = [text for text in (self.gpu, self.gpus, self.servers) if text]
        require(len(machines) == 1, "machines", machines, "give exactly one of gpu, gpus, servers")

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the GPUs of a point in one machine, and none for several machines."""
        if self.servers:
            return ()
        count, _, gpu = self.gpus.rpartition(TIMES)
        return (gpu,) * int(count) if self.gpus else (self.gpu,)

    @property
    def inventory(self) -> dict[str, Any]:
        """Return the point as the content of an inventory file."""
        stated = {"memory_gb": self.memory_gb, "free_memory_gib": self.free_memory_gib}
        memory = {key: value for key, value in stated.items() if value}
        items: list[dict[str, Any]] = [{"gpu": name, **memory} for name in self.devices]
        alone = [{**(items[0] if self.gpu else {"gpus": items}), "rtt_ms": 0}] if items else []
        servers = [{"name": f"machine {n}", **server} for n, server in enumerate(self.servers or alone, start=1)]
        weights = {"weights": self.weights} if self.weights else {"file_gb": self.file_gb}
        messages = self.links or IN_ONE_MACHINE
        model = {"preset": self.model, **weights}
        return {"model": model, "engine": self.source.engine, "servers": servers, **ALONE, **messages}


@cache
def public_points(file: Path = FILE) -> tuple[MeasuredPoint, ...]:
    """Return all points of a file."""
    return tuple(_points(file))


def _points(file: Path) -> Iterator[MeasuredPoint]:
    for name, fields in read_yaml(file).items():
        source = record_of(Source, f"{name} in {file.name}", fields)
        for point in source.points:
            machines = point.get("gpu") or point.get("gpus") or " and ".join(map(_words, point["servers"]))
            weights = point.get("weights") or f"of {point['file_gb']} GB"
            words = f"{point['model']} {weights} on {machines} ({name})"
            yield record_of(MeasuredPoint, words, {"name": words, "source": source, **point})


def _words(server: Mapping[str, Any]) -> str:
    return f"{server['count']}{TIMES}{server['gpu']}" if "count" in server else str(server["gpu"])


@dataclass(frozen=True, eq=False)  # each is one object, so that fits to many of them are found fast
class Observation:
    """The time of one token's block on one kind of device, by a measured point."""

    engine: str
    family: str
    device: str
    is_mixture: bool
    peak_s: float  # at the peak bandwidth
    measured_s: float
    prompt_share: float | None  # of the peak arithmetic; None where no prompts were measured


@cache
def observations() -> Mapping[str, Observation]:
    """Return the points of one machine with equal devices as observations, by their names."""
    return {point.name: _observation(point) for point in public_points() if point.devices}


def _observation(point: MeasuredPoint) -> Observation:
    gpu, model = _profiles()(point.devices[0]), _model(point.source.engine, *point.inventory["model"].items())
    tflop_per_s = point.prompt_tokens_per_s * model.prefill_gflop * model.block_count / 1e3
    return Observation(
        point.source.engine,
        gpu.family,
        gpu.name,
        model.is_mixture,
        peak_s=read_gb(model) / gpu.bandwidth_gb_per_s,
        measured_s=1 / point.tokens_per_s / model.block_count,
        prompt_share=tflop_per_s / gpu.prefill_tflops if tflop_per_s else None,
    )


@cache
def _profiles() -> Callable[[str], GpuProfile]:
    return profiles_in(Path())


@cache
def _model(engine: str, *items: tuple[str, Any]) -> ServedModel:
    return model_of(Entry("", {"model": dict(items), "engine": engine}), Path()).served(CACHE_TOKENS)


def read_gb(model: ServedModel) -> float:
    """Return what a token reads of a block and its head part."""
    return model.decode_read_gb + model.head_gb / model.block_count
