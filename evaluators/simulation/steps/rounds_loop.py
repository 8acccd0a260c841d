"""The compiled loop of lockstep: the steps of all jobs on a chain pass its servers together, as one batch.

A chain forms a batch when its last one has passed all servers: one token of every job that decodes, and prompts in
order of arrival up to the budget. A job that starts meanwhile waits for the next batch. Chains that share a server
queue there in order of arrival. Events are the end of a job, a batch that moves on, and a batch to be formed; at one
instant they come in this order.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from numba import boolean, int64, types

from evaluators.admission.chains import CHAINS, Chains
from evaluators.admission.core import arrive, decide, leave
from evaluators.admission.heap import pop, push
from evaluators.admission.queues import append, take_first
from evaluators.simulation.answers import FINISHED, IS_UNSTABLE
from evaluators.simulation.stability import is_seen_unstable
from evaluators.simulation.steps.state import WORLD
from evaluators.simulation.steps.visits import answer_s, end_job, event_of, is_direct, next_factor, slot_of, take_slot
from system.code.compiler import compiled, entry
from system.dispatch import DISPATCH
from system.service.linear_law import STEP

MOVE, FORM = 1 << 61, 1 << 62  # added to the events of a batch


@compiled
def _begin_job(k, job, now_s, world):
    """Give a job that starts now a slot on chain k."""
    batches = world.batches
    append(batches.slots, k, take_slot(job, now_s, world))
    if batches.is_under_way[k] == 0:
        batches.is_under_way[k] = 1
        push(world.events, now_s, FORM + k)


@compiled
def _form(k, now_s, state, world):
    """Form the next batch of chain k, if it has jobs, and send it."""
    slots, batches, speeds = world.slots, world.batches, world.speeds
    batches.is_under_way[k] = batches.slots.length[k] > 0
    if batches.is_under_way[k] == 0:
        return
    rest = _take_steps(k, slots, batches, speeds)
    _take_chunks(k, rest, slots, batches, speeds)
    _note_shape(k, batches)
    batches.hop[k] = 0
    batches.compute_s[k] = batches.visits_s[k] = 0.0
    _travel(k, now_s, _to_server_s(k, state.hop_start[k], state, world), world)


@compiled
def _note_shape(k, batches):
    """Note whether the batch has other numbers of tokens than the last one."""
    steps, prompt_tokens = float(batches.steps[k]), batches.prompt_tokens[k]
    batches.shape[k, 2] = steps != batches.shape[k, 0] or prompt_tokens != batches.shape[k, 1]
    batches.shape[k, 0], batches.shape[k, 1] = steps, prompt_tokens


@compiled
def _take_steps(k, slots, batches, speeds):
    """Take a token of every job that decodes; return the rest of the budget."""
    rest, slot = speeds.budget_tokens, batches.slots.first[k]
    batches.steps[k] = 0
    for _ in range(batches.slots.length[k]):
        slots.hop[slot] = slots.prompt_tokens[slot] == 0 and rest > 0
        batches.steps[k] += slots.hop[slot]
        rest -= slots.hop[slot]
        slot = batches.slots.behind[slot]
    return rest


@compiled
def _take_chunks(k, rest, slots, batches, speeds):
    """Fill the rest of the budget with prompts, in order of start."""
    slot = batches.slots.first[k]
    batches.prompt_tokens[k] = batches.cached_tokens[k] = 0.0
    for _ in range(batches.slots.length[k]):
        chunk = min(slots.prompt_tokens[slot], speeds.chunk_tokens, rest)
        slots.chunk_tokens[slot] = chunk
        if chunk > 0:
            batches.prompt_tokens[k] += chunk
            batches.cached_tokens[k] += slots.cached_tokens[slot]
            rest -= chunk
        slot = batches.slots.behind[slot]


@compiled
def _trip_s(k, times_s, batches):
    """Return the time in which chain k's batch crosses links with coefficients `times_s`.

    The tokens travel in one message: their activations add up, and the rest of the time counts once.
    """
    once_s, token_s = 0.0, min(times_s[1], times_s[2])
    if batches.prompt_tokens[k] > 0:
        once_s = times_s[0]
    if batches.steps[k] > 0:
        once_s = max(once_s, times_s[2] - token_s)
    return once_s + times_s[1] * batches.prompt_tokens[k] + token_s * batches.steps[k]


@compiled
def _half_visit_s(k, index, state, world):
    """Return half of the communication time of chain k's batch at a hop."""
    return _trip_s(k, world.speeds.communication_s[state.hop_server[index]], world.batches) / 2


@compiled
def _to_server_s(k, index, state, world):
    """Return the time of chain k's batch to a hop.

    The server is prepared for a batch of a new shape.
    """
    shape_s = world.speeds.shape_s[state.hop_server[index]] * state.hop_blocks[index]
    return _half_visit_s(k, index, state, world) + world.batches.shape[k, 2] * shape_s


@compiled
def _travel(k, begin_s, seconds, world):
    """Let chain k's batch travel for so many seconds."""
    world.batches.visits_s[k] += seconds
    push(world.events, begin_s + seconds, MOVE | event_of(k, world.record))


@compiled(inline=True)
def _move(step_s, k, now_s, state, world):
    """Compute chain k's batch at its next server, or end its round."""
    batches, servers, speeds = world.batches, world.servers, world.speeds
    index, end = state.hop_start[k] + batches.hop[k], state.hop_start[k + 1]
    batches.hop[k] += 1
    host_end_s = _after_host_s(k, now_s, world) if index == end else now_s
    if host_end_s > now_s:
        push(world.events, host_end_s, MOVE | event_of(k, world.record))
        return
    if index >= end:
        _end_round(k, now_s, world)
        return
    j = state.hop_server[index]
    work = batches.prompt_tokens[k], batches.cached_tokens[k], batches.steps[k], state.hop_blocks[index]
    seconds = answer_s(step_s, work[0], work[1], work[2], work[3], j, speeds, world.record)
    seconds *= next_factor(j, speeds, servers)
    end_s = max(now_s, servers.free_at_s[j]) + seconds
    servers.free_at_s[j] = end_s + speeds.handling_s
    servers.busy_s[j] += seconds
    batches.compute_s[k] += seconds
    _leave_server(k, index, end_s, state, world)


@compiled
def _leave_server(k, index, end_s, state, world):
    """Send chain k's computed batch to its next server, or back to the orchestrator."""
    server, speeds, batches = state.hop_server, world.speeds, world.batches
    is_last = index + 1 == state.hop_start[k + 1]
    if is_direct(speeds) and not is_last:
        _travel(k, end_s, _trip_s(k, speeds.crossing_s[server[index], server[index + 1]], batches), world)
        return
    half_s = _half_visit_s(k, index, state, world)
    if is_last:
        _travel(k, end_s, half_s, world)
        return
    batches.visits_s[k] += half_s
    _travel(k, end_s + half_s, _to_server_s(k, index + 1, state, world), world)


@compiled
def _new_tokens(k, world):
    """Return the tokens of chain k's batch for the head, and its complete prompts.

    The tokens are those of its one-token steps and of complete prompts.
    """
    slots, batches = world.slots, world.batches
    prompts, slot = 0, batches.slots.first[k]
    for _ in range(batches.slots.length[k]):
        prompts += 0 < slots.prompt_tokens[slot] == slots.chunk_tokens[slot]
        slot = batches.slots.behind[slot]
    return batches.steps[k] + prompts, prompts


@compiled
def _after_host_s(k, now_s, world):
    """Return when the head and chain k's host are done with a round.

    All chains share the head; each has a host of its own.
    """
    speeds, servers = world.speeds, world.servers
    tokens, prompts = _new_tokens(k, world)
    seconds, end_s = tokens * speeds.head_s, now_s
    if seconds > 0:
        head = servers.free_at_s.size - 1
        end_s = max(now_s, servers.free_at_s[head]) + seconds
        servers.free_at_s[head] = end_s
    host_s = speeds.round_s + prompts * speeds.join_s
    world.batches.compute_s[k] += seconds + host_s
    return end_s + host_s


@compiled
def _end_round(k, now_s, world):
    """Move the jobs of chain k's batch on; form the next one."""
    slots, batches, record = world.slots, world.batches, world.record
    for _ in range(batches.slots.length[k]):
        slot = take_first(batches.slots, k)
        chunk = slots.chunk_tokens[slot]
        if slots.hop[slot] == 1 or chunk > 0:
            slots.compute_s[slot] += batches.compute_s[k]
            slots.queue_s[slot] -= batches.compute_s[k] + batches.visits_s[k]
        slots.further_tokens[slot] -= slots.hop[slot]
        if chunk > 0:
            slots.prompt_tokens[slot] -= chunk
            slots.cached_tokens[slot] += chunk
            if slots.prompt_tokens[slot] == 0:
                record.first_token_s[slots.job[slot]] = now_s
        if slots.prompt_tokens[slot] == 0 and slots.further_tokens[slot] == 0:
            push(world.events, now_s, event_of(slot, record))
        else:
            append(batches.slots, k, slot)
    push(world.events, now_s, FORM + k)


@compiled
def _end_job(slot, now_s, world):
    """Record a job's end, free its slot, and return the job."""
    slots = world.slots
    # What is neither computation nor communication is waiting; both have been subtracted.
    slots.queue_s[slot] = max(slots.queue_s[slot] + now_s - world.record.start_s[slots.job[slot]], 0.0)
    return end_job(slot, now_s, world)


@compiled(inline=True)
def _advance(step_s, state, world, until_s):
    """Process events until a job ends, and return it; return -1 at `until_s`."""
    events = world.events
    while events.size[0] > 0 and events.time_s[0] <= until_s:
        now_s, event = events.time_s[0], pop(events)
        if event < MOVE:
            return _end_job(slot_of(event), now_s, world)
        if event < FORM:
            _move(step_s, slot_of(event), now_s, state, world)
        else:
            _form(event - FORM, now_s, state, world)
    return -1


def _run(rule, state, started, step_s, world, more_follow, check_after):
    """Serve every job as `queue_loop` does."""
    requests, record = world.requests, world.record
    n, arrived, answer = requests.arrival_s.size, record.counts[0], FINISHED
    while not (more_follow and arrived == n):
        arrival_s = requests.arrival_s[arrived] if arrived < n else np.inf
        now_s = arrival_s
        ended = _advance(step_s, state, world, arrival_s)
        if ended >= 0:
            now_s = record.end_s[ended]
            leave(state, state.chain[ended])
        elif now_s == np.inf:
            break
        else:
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
            _begin_job(state.chain[started[i]], started[i], now_s, world)
    return answer


_REST = (int64[::1], types.FunctionType(STEP), WORLD, boolean, int64)
run_on_chains = entry(int64(types.FunctionType(DISPATCH), CHAINS, *_REST))(_run)
LOOPS = {Chains: run_on_chains}  # by the state of the admission
