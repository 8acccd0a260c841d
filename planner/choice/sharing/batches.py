"""Layouts as engines run them, with batch curves: the time of several one-token steps together over that of one.

It is measured, where the profile has it. Otherwise it is that of the roofline: the weights are read once and each
request's cache once, or the tokens take the time of their arithmetic, whichever is longer. Both parts of a step take
the shares of bandwidth and arithmetic that its server reaches.
"""

from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from planner.inventory.engines import Engine
from system import Composition, System
from system.layout import Layout

STACKS = np.unique(np.rint(2 ** np.arange(0, 10.1, 0.25)).astype(int)).tolist()  # sizes in a roofline's batch curve

AnyLayout = TypeVar("AnyLayout", bound=Layout)


def as_run(layout: AnyLayout, engine: Engine) -> AnyLayout:
    """Return a layout with batch curves and the messages that an engine sends.

    Where a scheduler inside a server batches its own requests, none of them waits for a message while others are
    computed. With messages, they would fall apart into two batches that take turns.
    """
    curved = with_curves(layout)
    if not engine.steps_inside or not isinstance(curved, Composition):
        return curved
    alone = curved.hop_server[curved.hop_start[:-1][np.diff(curved.hop_start) == 1]]
    communication_s = curved.system.servers.communication_s.copy()
    communication_s[alone, 2] = 0.0
    return _with(curved, communication_s=communication_s)


def with_curves(layout: AnyLayout) -> AnyLayout:
    """Return a layout whose servers all have batch curves."""
    return _with(layout, batch_curves=curves(layout.system))


def _with(layout: AnyLayout, **of_servers: Any) -> AnyLayout:
    """Return the layout with other fields of its servers."""
    servers = replace(layout.system.servers, **of_servers)
    changed: AnyLayout = replace(cast(Any, layout), system=replace(layout.system, servers=servers))
    return changed


def curves(system: System) -> tuple[dict[int, float], ...]:
    """Return the batch curve of each server, measured or by the roofline."""
    servers = system.servers
    _, input_token_s, output_token_s = servers.block_s.T
    arithmetic = np.divide(input_token_s, output_token_s, out=np.ones(len(servers)), where=output_token_s > 0).tolist()
    rooflines = {share: roofline_curve(system, share) for share in set(arithmetic)}
    measured = servers.batch_curves or ({},) * len(servers)
    return tuple(dict(points) or rooflines[share] for points, share in zip(measured, arithmetic, strict=True))


def roofline_curve(system: System, arithmetic: float) -> dict[int, float]:
    """Return the times of stacks over that of a single step, by size.

    A single step reads the weights of a block, of a mixture those of its experts; more requests take more of them.
    `arithmetic` is the time of a token's arithmetic over that of a single step.
    """
    model, (_, input_tokens, further_tokens) = system.model, system.mean_job
    context_gb = model.cache_memory_gb / model.cache_tokens * (input_tokens + further_tokens / 2)
    return {
        size: max((model.active_gb(size) + context_gb * (size - 1)) / model.decode_read_gb, arithmetic * size)
        for size in STACKS[1:]
    }
