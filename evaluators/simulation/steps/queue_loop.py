"""The compiled loop of step queues: a job in service visits the servers of its path once for every token.

A server computes one step at a time or a batch of them. Events are a step that arrives at a server, a server that
becomes free while steps wait, and the end of a job. The end of a computation is known when it begins, so its
consequences are recorded then. At one instant the events of jobs come first, and then those of servers, so that a
server that becomes free sees all steps that have arrived. Such instants are common: jobs with equal steps follow each
other at the pace of the slowest server, where one arrives just as the step before it ends.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from numba import boolean, int64, types

from evaluators.admission.chains import CHAINS, Chains
from evaluators.admission.core import arrive, decide, held_by, leave, needs_room, next_look_s, write_path
from evaluators.admission.heap import pop, replace_first
from evaluators.admission.routes_state import ROUTES, Routes
from evaluators.simulation.answers import FINISHED, IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.stability import is_seen_unstable
from evaluators.simulation.steps.batches import compute_batch, compute_in_order, queue_step
from evaluators.simulation.steps.state import SERIAL, WORLD
from evaluators.simulation.steps.visits import SERVER, begin_job, end_job, event_of, next_event_s, slot_of, take_slot
from system.code.compiler import compiled, entry
from system.dispatch import DISPATCH
from system.routing import DELAY
from system.service.linear_law import STEP


@compiled(inline=True)
def _advance(step_s, world, until_s):
    """Process events until a job ends, and return it; return -1 at `until_s`."""
    events, slots, speeds = world.events, world.slots, world.speeds
    head = speeds.block_s.shape[0] - 1
    while events.size[0] > 0 and events.time_s[0] <= until_s:
        now_s, event = events.time_s[0], events.number[0]
        if event >= SERVER:
            pop(events)
            compute_batch(step_s, event - SERVER, now_s, world)
            continue
        slot = slot_of(event)
        hop = slots.hop[slot]
        if hop == slots.hops[slot]:
            pop(events)
            return end_job(slot, now_s, world)
        j = slots.server[slot, hop]
        if speeds.batching == SERIAL or j == head:
            end_s = compute_in_order(step_s, slot, j, now_s, world)
            replace_first(events, next_event_s(slot, end_s, world), event_of(slot, world.record))
        else:
            pop(events)
            queue_step(step_s, slot, j, now_s, world)
    return -1


def _run(rule, state, started, step_s, world, more_follow, check_after):
    """Serve every job; with `check_after` above 0 stop an unstable run (`stability`).

    If more jobs follow, it runs only up to the last arrival, because later events depend on them.
    """
    requests, record = world.requests, world.record
    n, arrived, answer = requests.arrival_s.size, record.counts[0], FINISHED
    while not (needs_room(state) or (more_follow and arrived == n)):
        arrival_s = requests.arrival_s[arrived] if arrived < n else np.inf
        look_s = next_look_s(state)
        now_s = min(arrival_s, look_s)
        ended = _advance(step_s, world, now_s)
        if ended >= 0:
            now_s = record.end_s[ended]
            leave(state, held_by(state, ended))
        elif now_s == np.inf:
            break
        elif arrival_s < look_s:
            arrive(state, arrived)
            arrived += 1
            record.counts[0] = arrived
            if is_seen_unstable(arrived, check_after, requests.arrival_s, record.end_s):
                answer = IS_UNSTABLE
                break
        count = decide(rule, state, now_s, started)
        if count < 0:
            answer = count
            break
        for i in range(count):
            # Stores into arrays of the world would be lost in a function that calls `write_path`, which is inlined:
            # numba does not see that anything reads them.
            slot = take_slot(started[i], now_s, world)
            hops = write_path(state, started[i], world.slots.server[slot], world.slots.blocks[slot])
            begin_job(step_s, slot, hops, now_s, world)
    return NEEDS_ROOM if answer == FINISHED and needs_room(state) else answer


_REST = (int64[::1], types.FunctionType(STEP), WORLD, boolean, int64)
run_on_chains = entry(int64(types.FunctionType(DISPATCH), CHAINS, *_REST))(_run)
run_over_routes = entry(int64(types.FunctionType(DELAY), ROUTES, *_REST))(_run)
LOOPS = {Chains: run_on_chains, Routes: run_over_routes}  # by the state of the admission
