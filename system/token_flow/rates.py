"""Tokens per second that a server carries, by the number of blocks that it hosts.

The estimate is that of Helix (Mei et al., ASPLOS 2025). A server computes prompts and further tokens in the ratio of
the mean job. How many further tokens it computes together follows from the jobs whose caches it holds, and from the
share of its way through the model that a token spends on this server.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from system.checks import floor_with_slack
from system.errors import NotApplicableError
from system.system import System

Floats = NDArray[np.float64]

FILLED = 0.3  # share of a cache that the caches of typical jobs fill
ROUNDS = 10  # in which the speeds of servers and their shares of a token's way become consistent
TYPICAL_SHARE = 2 / 3  # of the most blocks: what a server usually hosts, where nothing else is known


class _Kind(NamedTuple):
    """What the token rates of a server depend on; servers that agree in it have the same rates."""

    block_s: tuple[float, ...]  # coefficients of x
    prompts: tuple[tuple[int, float], ...]  # tokens and seconds in one block
    steps: tuple[tuple[int, float], ...]  # one-token steps and times relative to a single one
    cache_tokens: tuple[float, ...]  # whose cache fits beside 1, 2, ... hosted blocks
    typical_blocks: int


def tokens_per_s(system: System) -> Floats:
    """Return (J, most + 1) the tokens/s of each server over its hosted blocks.

    `most` is the largest number of blocks that any server may host. Prompt tokens and further tokens count alike. The
    rate is 0 for b = 0, and where the server cannot host b blocks or has no cache beside them. Servers without measured
    prompts or stacks of steps take the times of the linear law, as `linear_law_servers` says. Raises
    `NotApplicableError` unless jobs have lengths in tokens.
    """
    kinds = [_kind(system, j) for j in range(len(system.servers))]
    counts = Counter(kinds)
    rows = dict(zip(counts, _rates(list(counts), np.array(list(counts.values())), system), strict=True))
    table = np.zeros((len(kinds), max(row.size for row in rows.values())))
    for j, kind in enumerate(kinds):
        table[j, : rows[kind].size] = rows[kind]
    return table


def compute_bound_tokens_per_s(system: System) -> float:
    """Return a bound on the flow: all servers at their best, and no links."""
    rates = tokens_per_s(system)
    return float((rates * np.arange(rates.shape[1])).max(axis=1).sum() / system.model.block_count)


def linear_law_servers(system: System) -> list[str]:
    """Return the names of servers whose token rates use the linear law.

    They have no measured prompts or no measured stacks of steps. Then a prompt takes the time of its two coefficients,
    and a stack of steps the time of a single step.
    """
    servers = system.servers
    measured = [bool(prompts and steps) for prompts, steps in zip(_curves(system, 0), _curves(system, 1), strict=True)]
    return [servers.name(j) for j, is_measured in enumerate(measured) if not is_measured]


def _curves(system: System, which: int) -> tuple[Mapping[int, float], ...]:
    """Return the measured prompts (0) or stacks of steps (1) of each server."""
    servers = system.servers
    return (servers.prompt_curves, servers.batch_curves)[which] or ({},) * len(servers)


def _kind(system: System, j: int) -> _Kind:
    servers, model = system.servers, system.model
    fitting = int(floor_with_slack(servers.memory_gb[j] / model.block_memory_gb))
    cap = model.block_count if servers.most_blocks is None else int(servers.most_blocks[j])
    most = min(fitting, cap, model.block_count)
    blocks = np.arange(1, most + 1)
    free_gb = servers.memory_gb[j] - model.block_memory_gb * blocks
    cache_tokens = np.maximum(free_gb, 0.0) / model.cache_memory_gb * model.cache_tokens / blocks
    measured = np.asarray(servers.cache_tokens[j] if servers.cache_tokens else (), dtype=np.float64)[:most]
    cache_tokens[: measured.size] = measured
    stated = 0 if servers.typical_blocks is None else int(servers.typical_blocks[j])
    typical = stated or max(round(TYPICAL_SHARE * most), 1)
    prompts, steps = (tuple(sorted(_curves(system, which)[j].items())) for which in (0, 1))
    return _Kind(tuple(servers.block_s[j].tolist()), prompts, steps, tuple(cache_tokens.tolist()), min(typical, most))


def _rates(kinds: list[_Kind], counts: NDArray[np.int64], system: System) -> list[Floats]:
    """Return by kind the tokens/s with 0, 1, ... hosted blocks.

    A server's share of a token's way depends on the speeds of all servers, and these on the shares of all.
    """
    _, input_tokens, further_tokens = system.mean_job
    if input_tokens <= 0:
        raise NotApplicableError("token rates: need jobs with lengths in tokens; choose a workload that has them")
    job, model_blocks = (input_tokens, further_tokens + 1), system.model.block_count
    weights = counts * np.array([kind.typical_blocks for kind in kinds])
    if not weights.any():
        return [np.zeros(1) for _ in kinds]
    block_s = [_job_block_s(kind, job) for kind in kinds]  # per token, at first of a job alone
    for _ in range(ROUNDS):
        rates = _kinds_rates(kinds, block_s, weights, job, model_blocks)
        for index, (row, b) in enumerate(zip(rates, (kind.typical_blocks for kind in kinds), strict=True)):
            if row[b] > 0:
                block_s[index] = 1 / (row[b] * b)
    return _kinds_rates(kinds, block_s, weights, job, model_blocks)


def _kinds_rates(
    kinds: list[_Kind], block_s: list[float], weights: NDArray[np.int64], job: tuple[float, float], model_blocks: int
) -> list[Floats]:
    """Return by kind the tokens/s with 0, 1, ... hosted blocks.

    `block_s` has the seconds per token of each kind in one block.
    """
    mean_s = float(np.average(block_s, weights=weights))
    return [
        np.append(0.0, _kind_rates(kind, _shares(len(kind.cache_tokens), own_s, mean_s, model_blocks), job))
        for kind, own_s in zip(kinds, block_s, strict=True)
    ]


def _job_block_s(kind: _Kind, job: tuple[float, float]) -> float:
    """Return the seconds per token of a job alone in one block."""
    return float(_prompt_s(kind, np.array(job[0])) + job[1] * _steps_s(kind, np.array(1.0))) / sum(job)


def _shares(most: int, own_s: float, mean_s: float, model_blocks: int) -> Floats:
    """Return the share of a token's way that it spends on a server.

    The server hosts 1, 2, ... of the model's blocks.
    """
    blocks = np.arange(1, most + 1)
    return blocks * own_s / (blocks * own_s + (model_blocks - blocks) * mean_s)


def _kind_rates(kind: _Kind, shares: Floats, job: tuple[float, float]) -> Floats:
    """Return the tokens/s of a server with 1, 2, ... hosted blocks.

    Of the jobs whose caches fill the typical part of its cache, a share is at this server: these are the steps that it
    computes together. One prompt comes for each job's output tokens. As in Helix's tables, a batch has whole numbers of
    steps and of prompt tokens, and the time is that of the prompt tokens between two prompts.
    """
    input_tokens, output_tokens = job
    jobs = np.floor(FILLED * np.array(kind.cache_tokens)) / sum(job) * shares
    prompts = np.minimum(jobs / output_tokens, 1.0)
    steps = np.where(jobs > output_tokens, output_tokens, np.maximum(np.round(jobs), 1.0))
    batch_tokens = np.where(prompts < 1, np.maximum(np.round(prompts * input_tokens), 1.0), input_tokens)
    with np.errstate(divide="ignore", invalid="ignore"):
        prompt_tokens = batch_tokens / prompts
        time_s = _prompt_s(kind, np.floor(prompt_tokens)) + _steps_s(kind, steps) / prompts
        rates = (prompt_tokens + steps / prompts) / time_s / np.arange(1, jobs.size + 1)
    return np.where(prompts > 0, rates, 0.0)


def _prompt_s(kind: _Kind, tokens: Floats) -> Floats:
    """Return the times of prompts in one block."""
    if kind.prompts:
        return _between(kind.prompts, tokens)
    return np.asarray(kind.block_s[0] + kind.block_s[1] * tokens)


def _steps_s(kind: _Kind, steps: Floats) -> Floats:
    """Return the times of one-token steps that are computed together in one block."""
    ratios = _between(kind.steps, steps) if kind.steps else np.minimum(steps, 1.0)
    return kind.block_s[2] * ratios


def _between(points: tuple[tuple[int, float], ...], sizes: Floats) -> Floats:
    """Return times at some sizes.

    They are linear from 0 through the points, and go on with the last slope.
    """
    known, times = np.array([(0, 0.0), *points]).T
    right = np.clip(np.searchsorted(known, sizes), 1, known.size - 1)
    slopes = np.diff(times) / np.diff(known)
    return np.asarray(times[right] + slopes[right - 1] * (sizes - known[right]))
