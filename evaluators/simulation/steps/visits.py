"""Visits of jobs to servers: how long a computation takes, and where a job goes after it."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from evaluators.admission.heap import push
from system.code.compiler import compiled
from system.code.signatures import AnswerError
from system.service.linear_law import prompt_s

NUMBER_BITS = 24  # of a slot's number in an event; the bits above count the events
SERVER = 1 << 62  # added to the number of a server, so that at one instant its event comes after those of slots
STRIDE = 7919  # between the factors at which two servers begin


@compiled
def event_of(slot, record):
    """Return the number of a slot's next event.

    At one instant, events come in the order in which they were made.
    """
    record.counts[1] += 1
    return (record.counts[1] << NUMBER_BITS) | slot


@compiled
def slot_of(event):
    """Return the slot whose event this is."""
    return event & ((1 << NUMBER_BITS) - 1)


@compiled(inline=True)
def answer_s(step_s, prompt_tokens, cached_tokens, steps, blocks, j, speeds, record):
    """Return the time by the service model; raise `AnswerError` if it gives none."""
    record.answer_s[0] = np.nan
    record.answer_s[0] = seconds = step_s(
        prompt_tokens, cached_tokens, steps, blocks, speeds.block_s[j], speeds.settings[j]
    )
    if not 0 <= seconds < np.inf:
        raise AnswerError
    return seconds


@compiled
def next_factor(j, speeds, servers):
    """Return the factor of server j's next computation, and count it."""
    count = servers.computations[j]
    servers.computations[j] += 1
    size = speeds.factors.size
    return speeds.factors[0] if size == 1 else speeds.factors[(count + STRIDE * j) % size]


@compiled
def take_slot(job, now_s, world):
    """Give a job that starts now a free slot, and return it."""
    slots, requests = world.slots, world.requests
    slots.free_count[0] -= 1
    slot = slots.free[slots.free_count[0]]
    world.record.start_s[job] = now_s
    slots.job[slot] = job
    slots.hop[slot] = 0
    slots.further_tokens[slot] = requests.further_tokens[job]
    slots.prompt_tokens[slot] = requests.input_tokens[job]
    slots.chunk_tokens[slot] = slots.cached_tokens[slot] = slots.sent_tokens[slot] = 0.0
    slots.compute_s[slot] = slots.queue_s[slot] = 0.0
    return slot


@compiled(inline=True)
def begin_job(step_s, slot, hops, now_s, world):
    """Send the first chunk of a job's prompt on its way.

    The servers of its `hops` have been written to its slot.
    """
    slots, speeds, record = world.slots, world.speeds, world.record
    if speeds.head_s > 0:
        slots.server[slot, hops], slots.blocks[slot, hops] = speeds.block_s.shape[0] - 1, 0
        hops += 1
    slots.hops[slot] = hops
    _write_times(step_s, slot, hops, slots, speeds, record)
    slots.chunk_tokens[slot] = min(slots.prompt_tokens[slot], speeds.chunk_tokens)
    push(world.events, now_s + to_first_server_s(slot, slots, speeds), event_of(slot, record))


@compiled(inline=True)
def _write_times(step_s, slot, hops, slots, speeds, record):
    """Write the times of one-token steps along a slot's path."""
    head = speeds.block_s.shape[0] - 1
    for hop in range(hops):
        j, after = slots.server[slot, hop], slots.server[slot, hop + 1 if hop + 1 < hops else 0]
        slots.gap_s[slot, hop] = (speeds.communication_s[j, 2] + speeds.communication_s[after, 2]) / 2
        if is_direct(speeds) and hop + 1 < hops:
            slots.gap_s[slot, hop] = speeds.crossing_s[j, after, 2]
        if j == head:
            slots.step_s[slot, hop] = speeds.head_s
        else:
            slots.step_s[slot, hop] = answer_s(step_s, 0.0, 0.0, 1, slots.blocks[slot, hop], j, speeds, record)


@compiled
def is_direct(speeds):
    """Return whether steps go straight from server to server."""
    return speeds.crossing_s.shape[0] > 0


@compiled
def half_visit_s(slot, slots, speeds):
    """Return half of the communication time of a slot's step with its server."""
    times_s = speeds.communication_s[slots.server[slot, slots.hop[slot]]]
    chunk = slots.chunk_tokens[slot]
    if chunk > 0:
        return prompt_s(times_s[0], times_s[1], chunk) / 2
    return times_s[2] / 2


@compiled
def to_first_server_s(slot, slots, speeds):
    """Return the time of a slot's step from the orchestrator to its first server.

    A server that cuts a prompt keeps the rest, so no token is sent twice.
    """
    times_s = speeds.communication_s[slots.server[slot, 0]]
    chunk = slots.chunk_tokens[slot]
    if chunk == 0:
        return times_s[2] / 2
    sent = slots.sent_tokens[slot]
    slots.sent_tokens[slot] = max(sent, slots.cached_tokens[slot] + chunk)
    return prompt_s(times_s[0], times_s[1], slots.sent_tokens[slot] - sent) / 2


@compiled
def next_event_s(slot, end_s, world):
    """Move a slot on after a computation; return its next event's time.

    That is when its next step arrives at a server, or its end.
    """
    slots = world.slots
    hop = slots.hop[slot]
    last = hop + 1 == slots.hops[slot]
    if slots.chunk_tokens[slot] == 0 and not (last and slots.further_tokens[slot] == 1):
        slots.hop[slot] = 0 if last else hop + 1
        slots.further_tokens[slot] -= last
        return end_s + slots.gap_s[slot, hop]
    return _after_prompt_or_last_token_s(slot, end_s, world)


@compiled
def _after_prompt_or_last_token_s(slot, end_s, world):
    slots, speeds, record = world.slots, world.speeds, world.record
    hop, hops = slots.hop[slot] + 1, slots.hops[slot]
    chunk = slots.chunk_tokens[slot]
    more = slots.prompt_tokens[slot] > chunk  # only the last chunk passes the head
    goes_on = chunk > 0 and hop < hops - (more and speeds.head_s > 0)
    if goes_on and is_direct(speeds):
        times_s = speeds.crossing_s[slots.server[slot, hop - 1], slots.server[slot, hop]]
        slots.hop[slot] = hop
        return end_s + prompt_s(times_s[0], times_s[1], chunk)
    end_s += half_visit_s(slot, slots, speeds)
    slots.hop[slot] = hop
    if chunk == 0:
        slots.further_tokens[slot] = 0
        return end_s
    if goes_on:
        return end_s + half_visit_s(slot, slots, speeds)
    slots.prompt_tokens[slot] -= chunk
    slots.cached_tokens[slot] += chunk
    slots.chunk_tokens[slot] = min(slots.prompt_tokens[slot], speeds.chunk_tokens)
    if not more:
        record.first_token_s[slots.job[slot]] = end_s
        if slots.further_tokens[slot] == 0:
            slots.hop[slot] = hops
            return end_s
    slots.hop[slot] = 0
    return end_s + to_first_server_s(slot, slots, speeds)


@compiled
def end_job(slot, now_s, world):
    """Record a job's end, free its slot and its cache, and return the job."""
    slots, record, servers = world.slots, world.record, world.servers
    job = slots.job[slot]
    record.end_s[job] = now_s
    record.compute_s[job], record.queue_s[job] = slots.compute_s[slot], slots.queue_s[slot]
    for hop in range(slots.hops[slot] if world.speeds.stack_blocks > 0 else 0):
        servers.slots_used[slots.server[slot, hop]] -= slots.blocks[slot, hop]
    slots.free[slots.free_count[0]] = slot
    slots.free_count[0] += 1
    return job
