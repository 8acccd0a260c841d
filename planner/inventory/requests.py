"""The requests of an inventory: random ones at a rate, those of users, or those of a trace."""

from dataclasses import dataclass
from pathlib import Path

from planner.inventory.goals import Goal, LargestRate, OfUsers
from system import InputError
from system.checks import require
from system.documents.entries import Entry
from system.limits import RATE_PER_S, SLO_S, SLOTS, TOKENS
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload
from workloads.traces import FileTrace
from workloads.workload import Workload

TRACE_OPTIONS = ("format", "columns", "time_unit", "unanswered", "first", "over_length")
WORKLOAD_KEYS = ("rate_per_s", "users", "think_s", "input_tokens", "output_tokens", "trace", *TRACE_OPTIONS)
JOBS = 100_000  # of a random workload, where it has to be simulated


@dataclass(frozen=True)
class Users:
    """People or programs, who each send the next request some time after the last one is answered."""

    count: int
    think_s: float = 0.0


def users_of(top: Entry) -> Users | None:
    """Return the users of a file, if it gives users."""
    entry = _workload(top)
    if "users" not in entry:
        require("think_s" not in entry, entry.where("think_s"), entry.content.get("think_s"), "belongs to users")
        return None
    count = entry.count("users", "a number of users, such as 1", SLOTS)
    for key, of_key in (("rate_per_s", "a rate"), ("trace", "a trace")):
        remedy = f"{of_key} and users are two ways to say how requests come; remove one of them"
        require(key not in entry, entry.where(key), entry.content.get(key), remedy)
    think_s = entry.not_negative("think_s", "seconds", SLO_S) if "think_s" in entry else 0.0
    return Users(count, think_s)


def _workload(top: Entry) -> Entry:
    hint = "rate_per_s (or users), input_tokens and output_tokens, or a trace"
    return top.part("workload", hint, WORKLOAD_KEYS)


def workload_of(top: Entry, folder: Path, goal: Goal, limit: int) -> tuple[Workload, float | None]:
    """Return the requests of a file and their rate.

    The rate is None where the goal is to find it, with users, and where a trace has one of its own. `limit` has the
    tokens of a cache slot.
    """
    entry = _workload(top)
    rate_per_s = entry.positive("rate_per_s", "requests per second", RATE_PER_S) if "rate_per_s" in entry else None
    remedy = "the goal largest_rate finds it; remove it, or choose another goal"
    require(rate_per_s is None or not isinstance(goal, LargestRate), entry.where("rate_per_s"), rate_per_s, remedy)
    if "trace" in entry:
        return _trace(entry, folder), rate_per_s
    if not isinstance(goal, LargestRate | OfUsers):
        hint = "requests per second, such as 0.5, or users: 1, or choose the goal largest_rate"
        entry.value("rate_per_s", hint)
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
