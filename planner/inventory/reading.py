"""Reading an inventory file (YAML) as an `Inventory`; `planner/examples/` has examples of such files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from hardware_profiles.listed.gpus import Profiles, profiles_in, reserve_gb
from hardware_profiles.listed.link_rows import linked
from hardware_profiles.listed.machines import HOP_OVERHEAD_MS, LIST_KEYS, machines_of, overheads_of
from planner.inventory.goals import Cheapest, Goal, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from planner.inventory.models import SHAPE_KEYS, decoder_from_entry, derivation
from planner.inventory.services import service_of
from system import InputError, ServedModel, Servers
from system.checks import echo, require, require_one_of
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml
from system.limits import RATE_PER_S, SLO_S, TOKENS
from system.models.config_json import decoder_from_config
from system.models.decoder import Decoder, served_model
from system.models.precisions import CACHES, WEIGHTS
from system.models.presets import preset
from system.system import Forwarding
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload
from workloads.traces import FileTrace
from workloads.workload import Workload

TOP_KEYS = ("model", "cache_tokens", *LIST_KEYS, "overheads", "forwarding", "workload", "service", "goal")
SHAPES = ("preset", "config", "shape")
MODEL_KEYS = (*SHAPES, "weights", "cache")
TRACE_OPTIONS = ("format", "columns", "time_unit", "unanswered", "first", "over_length")
WORKLOAD_KEYS = ("rate_per_s", "input_tokens", "output_tokens", "trace", *TRACE_OPTIONS)
GOAL_KEYS = ("minimise", "largest_rate", "cheapest")
SLO_KEYS = ("quantile", "slo_s")
JOBS = 100_000  # of a random workload, where it has to be simulated
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class ModelChoice:
    """A decoder and the precisions of its weights and its cache."""

    decoder: Decoder
    weights: str
    cache: str


def read_inventory(path: Path) -> Inventory:
    """Return the inventory of a file.

    Paths in the file are relative to its folder. Raises `InputError` with one sentence for its first mistake.
    """
    content = read_yaml(path)
    servers = content.get("servers") if isinstance(content, dict) else None
    for server in servers if isinstance(servers, list) else ():
        if isinstance(server, dict) and "blocks" in server:
            raise InputError(
                f"blocks of server {echo(server.get('name'))}: this file is a layout; use plan.py evaluate to read it"
            )
    return inventory_of(content, path.parent)


def inventory_of(content: Any, folder: Path) -> Inventory:
    """Return the inventory of a file's content.

    Paths in it are relative to the folder.
    """
    top = Entry.of("", content, TOP_KEYS)
    top = Entry("", {**top.content, **linked(top.content, folder)})
    goal = _goal(top)
    choice = _model(top, folder)
    hint = "the tokens of a request, prompt and output together, that its cache can hold"
    limit = top.count("cache_tokens", hint, TOKENS)
    workload, rate_per_s = _workload(top, folder, goal, limit)
    slot_tokens = workload.cache_tokens(limit)
    model = served_model(choice.decoder, slot_tokens, choice.weights, choice.cache)
    profiles = profiles_in(folder)
    machines = machines_of(top, model, profiles, overheads_of(top))
    if isinstance(goal, Cheapest) and machines.cost_per_hour is None:
        raise InputError("cost_per_hour is missing: the goal cheapest needs it for every server")
    return Inventory(
        model=model,
        family=choice.decoder.family,
        weights=choice.weights,
        cache=choice.cache,
        derivation=(
            *derivation(choice.decoder, model, choice.weights, choice.cache),
            _reserve_line(reserve_gb(model)),
            _overheads_line(top),
            *_activation_lines(machines.servers, model),
            *_estimate_lines(top, profiles, model),
        ),
        servers=machines.servers,
        gpus=machines.gpus,
        groups=machines.groups,
        cost_per_hour=machines.cost_per_hour,
        workload=workload.fitted(slot_tokens),
        rate_per_s=rate_per_s,
        goal=goal,
        service=service_of(top),
        forwarding=_forwarding(top),
    )


def _forwarding(top: Entry) -> Forwarding:
    """Return how activations get from server to server; over the hub by default."""
    if "forwarding" not in top:
        return "hub"
    chosen = top.text("forwarding", "hub or direct")
    require_one_of(get_args(Forwarding), forwarding=chosen)
    return "direct" if chosen == "direct" else "hub"


def _reserve_line(reserve: float) -> str:
    return (
        f"{reserve:.3g} GB of a server's memory are reserved for workspace (2 GiB x hidden size / 14336, as in PETALS) "
        "where free_memory_gb is not given"
    )


def _estimate_lines(top: Entry, profiles: Profiles, model: ServedModel) -> list[str]:
    """Return a line for each profile that measured another model or precision."""
    names = dict.fromkeys(str(server["gpu"]) for server in top.content["servers"] if "gpu" in server)
    notes = (profiles(name).estimate_note(model) for name in names)
    return [note for note in notes if note is not None]


def _overheads_line(top: Entry) -> str:
    """Return a line about the assumed cost of a message."""
    if "overheads" in top:
        return "a message takes its round trip and the given overheads"
    return (
        f"a message takes its round trip and {HOP_OVERHEAD_MS:g} ms, as measured over the Internet (paper Sec. 4), "
        "because overheads are not given; on a local network they are smaller"
    )


def _activation_lines(servers: Servers, model: ServedModel) -> Iterator[str]:
    """Yield a line about activations if links have a bandwidth."""
    if servers.activation_s is not None or servers.communication_s[:, 1].any():
        yield (
            f"activations of a token between two blocks: 2 B x hidden size = {model.activation_bytes:,} B, over the "
            "given bandwidths"
        )


def _model(top: Entry, folder: Path) -> ModelChoice:
    value = top.value("model", "a preset's name, such as llama3_70b, or a mapping with preset, config or shape")
    if not isinstance(value, dict):
        return ModelChoice(preset(top.text("model", "a preset's name, or a mapping")), "16 bit", "16 bit")
    entry = Entry.of("model", value, MODEL_KEYS)
    given = [key for key in SHAPES if key in entry]
    require(len(given) == 1, "model", given, f"give exactly one of {', '.join(SHAPES)}")
    decoder = _decoder(entry, folder)
    return ModelChoice(decoder, _precision(entry, "weights", WEIGHTS), _precision(entry, "cache", CACHES))


def _decoder(entry: Entry, folder: Path) -> Decoder:
    if "preset" in entry:
        return preset(entry.text("preset", "a preset's name"))
    if "config" in entry:
        path = folder / entry.text("config", "the path of a config.json")
        remedy = "describe the model by shape instead of config"
        return decoder_from_config(path, remedy, states_weights="weights" in entry)
    return decoder_from_entry(entry.part("shape", "the numbers of a block", SHAPE_KEYS))


def _precision(entry: Entry, key: str, known: tuple[str, ...]) -> str:
    if key not in entry:
        return "16 bit"
    chosen = entry.text(key, f"one of {', '.join(known)}")
    require_one_of(known, **{entry.where(key): chosen})
    return chosen


def _workload(top: Entry, folder: Path, goal: Goal, limit: int) -> tuple[Workload, float | None]:
    entry = top.part("workload", "rate_per_s, input_tokens and output_tokens, or a trace", WORKLOAD_KEYS)
    rate_per_s = entry.positive("rate_per_s", "requests per second", RATE_PER_S) if "rate_per_s" in entry else None
    remedy = "the goal largest_rate finds it; remove it, or choose another goal"
    require(rate_per_s is None or not isinstance(goal, LargestRate), entry.where("rate_per_s"), rate_per_s, remedy)
    if "trace" in entry:
        return _trace(entry, folder), rate_per_s
    if not isinstance(goal, LargestRate):
        entry.value("rate_per_s", "requests per second, such as 0.5, or choose the goal largest_rate")
    return _synthetic(entry, limit), rate_per_s


def _trace(entry: Entry, folder: Path) -> FileTrace:
    """Return the trace, by default in the Azure format."""
    for key in ("input_tokens", "output_tokens"):
        require(key not in entry, entry.where(key), entry.content.get(key), "the trace sets it already; remove it")
    file = folder / entry.text("trace", "the path of a CSV or JSONL file")
    remedy = "there is no such file; paths are relative to the folder of the inventory"
    require(file.is_file(), entry.where("trace"), file, remedy)
    options = {key: entry.content[key] for key in TRACE_OPTIONS if key in entry}
    columns = options.get("columns")
    is_mapping = columns is None or isinstance(columns, dict)
    require(is_mapping, entry.where("columns"), columns, "must be a mapping of columns to their titles")
    try:
        trace = FileTrace(file=str(file), **{"format": "azure"} | options)
        rate_per_s = trace.native_rate_per_s  # now, to report mistakes with those of the inventory; the content is kept
    except InputError as error:
        raise InputError(f"workload: {error}") from error
    remedy = "its requests come at one instant and have no rate; give a trace whose requests come at several times"
    require(rate_per_s is not None, entry.where("trace"), file, remedy)
    return trace


def _synthetic(entry: Entry, limit: int) -> SyntheticWorkload:
    for key in TRACE_OPTIONS:
        require(key not in entry, entry.where(key), "given", "is for traces; remove it")
    input_tokens, output_tokens = _mean_tokens(entry, "input_tokens"), _mean_tokens(entry, "output_tokens")
    if input_tokens + output_tokens > limit:
        raise InputError(
            f"cache_tokens = {limit}: the mean request has {input_tokens + output_tokens:g} tokens ({input_tokens:g} "
            f"of input, {output_tokens:g} of output) and does not fit; give the tokens of the longest request"
        )
    return SyntheticWorkload(Poisson(), JOBS, input_tokens, output_tokens)


def _mean_tokens(entry: Entry, key: str) -> float:
    tokens = entry.positive(key, "a mean number of tokens", TOKENS)
    require(tokens >= 1, entry.where(key), tokens, "must be at least 1")
    return tokens


def _goal(top: Entry) -> Goal:
    """Return the goal; by default it is the shortest mean response time."""
    if "goal" not in top:
        return Minimise()
    entry = top.part("goal", "minimise, largest_rate or cheapest", GOAL_KEYS)
    require(len(entry.content) == 1, "goal", list(entry.content), f"give exactly one of {', '.join(GOAL_KEYS)}")
    if "minimise" in entry:
        return Minimise(_quantile(entry.text("minimise", "mean, p50, p95 or p99")))
    kind = LargestRate if "largest_rate" in entry else Cheapest
    slo = entry.part(next(iter(entry.content)), "quantile and slo_s", SLO_KEYS)
    return kind(slo.positive("quantile", "a share, such as 0.95"), slo.positive("slo_s", "seconds", SLO_S))


def _quantile(name: str) -> float | None:
    percentile = PERCENTILE.fullmatch(name)
    known = name == "mean" or (percentile is not None and float(percentile[1]) > 0)
    require(known, "minimise of goal", name, "must be mean or a percentile such as p50, p95, p99")
    return None if percentile is None else float(percentile[1]) / 100
