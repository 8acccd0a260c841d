"""How long PETALS takes for a job that is alone: a fit to the visits of jobs that followed one another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from serving.engines.petals.client import PetalsJob
from system import InputError

Floats = NDArray[np.float64]
Visits = dict[tuple[int, int], list[float]]  # seconds by blocks and tokens


@dataclass(frozen=True)
class AloneTimes:
    """Times of a job that has the swarm for itself, in seconds.

    Each is (3,), the coefficients of x = (1, input tokens, output tokens - 1). A visit of a server with m blocks takes
    `(visit_s + m * block_s) @ x`, and a job `client_s @ x` beside its visits.
    """

    visit_s: Floats
    block_s: Floats
    client_s: Floats

    def token_s(self, blocks: Sequence[int]) -> float:
        """Return the time of a further token on servers with so many blocks."""
        return float(self.client_s[2] + len(blocks) * self.visit_s[2] + sum(blocks) * self.block_s[2])


def fit(jobs: Sequence[PetalsJob]) -> AloneTimes:
    """Return the times, none below 0, that fit jobs without company best.

    The mean visit of a prompt takes o + m (b0 + b1 tokens) s on m blocks, that of a token o' + m b2. So servers must
    differ in their blocks, and prompts in their lengths.
    """
    prompts, tokens = _mean_visits(jobs)
    known = {m for m, _ in tokens}
    lengths = {length for _, length in prompts}
    if len(known) < 2 or len(lengths) < 2:
        raise InputError(
            f"profile: servers of {sorted(known)} blocks and prompts of {sorted(lengths)} tokens; overheads and blocks "
            "are told apart by two numbers of blocks and two lengths of prompts"
        )
    prompt = _nonnegative({(1.0, m, m * length): s for (m, length), s in prompts.items()})
    token = _nonnegative({(1.0, m): s for (m, _), s in tokens.items()})
    visit_s = np.array([prompt[0], 0.0, token[0]])
    return AloneTimes(visit_s, np.array([prompt[1], prompt[2], token[1]]), _client_s(jobs))


def _mean_visits(jobs: Sequence[PetalsJob]) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Return mean visits by blocks and tokens: of prompts, and of further tokens."""
    prompts: Visits = defaultdict(list)
    tokens: Visits = defaultdict(list)
    for job in jobs:
        seen = set()
        for visit in job.visits:
            span = visit.first, visit.end
            group = tokens if span in seen else prompts
            group[visit.end - visit.first, visit.tokens].append(visit.wait_s)
            seen.add(span)
    return {k: float(np.mean(v)) for k, v in prompts.items()}, {k: float(np.mean(v)) for k, v in tokens.items()}


def _nonnegative(rows: dict[tuple[float, ...], float]) -> Floats:
    """Return the coefficients, none below 0, that fit rows of regressors and seconds best."""
    return nnls(np.array(list(rows), dtype=np.float64), np.array(list(rows.values())))[0]


def _client_s(jobs: Sequence[PetalsJob]) -> Floats:
    """Return the mean times of jobs outside of their visits."""
    first_s, token_s = [], []
    for job in jobs:
        hops = len({(visit.first, visit.end) for visit in job.visits})
        prompt_s = sum(visit.wait_s for visit in job.visits[:hops])
        rest_s = sum(visit.wait_s for visit in job.visits[hops:])
        first_s.append(job.tokens_s[0] - job.start_s - prompt_s)
        token_s.append((job.tokens_s[-1] - job.tokens_s[0] - rest_s) / max(len(job.tokens_s) - 1, 1))
    return np.array([max(float(np.mean(first_s)), 0.0), 0.0, max(float(np.mean(token_s)), 0.0)])
