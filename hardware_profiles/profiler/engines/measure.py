"""The measurement of llama.cpp on this machine: all chains run side by side and are timed in rounds.

Only the chain that is timed has requests; the others wait.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hardware_profiles.measured import Rows
from hardware_profiles.profiler.engines.chains import chain_of
from hardware_profiles.profiler.engines.fit import EngineFit, fit_engine, shape_round_trips
from hardware_profiles.profiler.engines.scope import EngineScope, Split
from hardware_profiles.profiler.engines.timing import SHORT_PROMPT, TOKENS, TimedEndpoint
from serving.engines.llamacpp import fleet
from serving.engines.llamacpp.settings import LlamaCpp
from system.layout import Layout
from system.models.decoder import Decoder

PROMPTS_A_ROUND = 3
Start = Callable[[Layout, LlamaCpp], AbstractContextManager[fleet.Chains]]
Times = dict[tuple[int, ...], list[float]]


class MeasuredEngine(NamedTuple):
    """The fit of an engine and the rows behind it."""

    fit: EngineFit
    points: Mapping[str, Rows]


def measure_engine(
    decoder: Decoder, scope: EngineScope, settings: LlamaCpp, start: Start = fleet.start
) -> MeasuredEngine:
    """Start chains of a decoder's blocks, time them, and fit the engine's constants."""
    slots, slot_tokens = max(scope.batches), max(SHORT_PROMPT, *scope.prompts) + TOKENS
    with ExitStack() as running:

        def started(split: Split, rtt_s: float = 0.0) -> TimedEndpoint:
            layout = chain_of(split, decoder, slots, slot_tokens, rtt_s)
            emulate = replace(settings, emulate="rtt" if rtt_s else "nothing")
            chains = running.enter_context(start(layout, emulate))
            return TimedEndpoint(chains.endpoints[0], chains.vocabulary_size)

        chains = {split: started(split) for split in scope.splits}
        far_blocks = min(scope.stacks)
        steps, prompts, shapes = _times(scope, chains, started(Split(far_blocks, 1), scope.rtt_s))
    points = {"engine_decode": _rows(steps), "engine_prompt": _rows(prompts)}
    round_trips = shape_round_trips([[far_blocks, *pair] for pair in shapes], scope.rtt_s)
    return MeasuredEngine(fit_engine(points["engine_decode"], points["engine_prompt"], round_trips), points)


def _times(
    scope: EngineScope, chains: Mapping[Split, TimedEndpoint], far: TimedEndpoint
) -> tuple[Times, Times, list[tuple[float, float]]]:
    """Return the times of steps, of prompts, and of steps of new shapes.

    Those of the first two are by their coordinates. The first rounds are dropped.
    """
    steps, prompts, shapes = Times(), Times(), list[tuple[float, float]]()
    rounds = range(-scope.warm_up, scope.rounds)
    for number, (split, endpoint) in tqdm(list(_turns(rounds, chains)), unit="chain", disable=None, leave=False):
        kept_steps, kept_prompts = (steps, prompts) if number >= 0 else (Times(), Times())
        for requests in scope.batches:
            kept_steps.setdefault((*split, requests), []).append(endpoint.step_s(requests))
        for tokens in scope.prompts:
            seconds = [endpoint.prompt_s(tokens) for _ in range(PROMPTS_A_ROUND)]
            kept_prompts.setdefault((*split, tokens), []).extend(seconds)
    for number in rounds:
        shapes += [far.shape_s()] if number >= 0 else []
    return steps, prompts, shapes


def _turns(rounds: range, chains: Mapping[Split, TimedEndpoint]) -> Iterator[tuple[int, tuple[Split, TimedEndpoint]]]:
    """Yield every chain in every round."""
    return ((number, chain) for number in rounds for chain in chains.items())


def _rows(times: Times) -> list[list[float]]:
    """Return rows of coordinates, median, P10 and P90."""
    return [[*key, *np.quantile(seconds, (0.5, 0.1, 0.9)).tolist()] for key, seconds in times.items()]
