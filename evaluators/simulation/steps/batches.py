"""Computations of servers: one step in order of arrival, a stack of one-token steps, or a mixed batch."""

# mypy: disable-error-code="no-untyped-def"

from evaluators.admission.heap import push
from evaluators.admission.queues import append, take_first
from evaluators.simulation.steps.state import MIXED
from evaluators.simulation.steps.visits import SERVER, answer_s, event_of, next_event_s, next_factor
from system.code.compiler import compiled


@compiled(inline=True)
def compute_in_order(step_s, slot, j, now_s, world):
    """Compute a step after all that arrived before it; return when the computation ends.

    It is known when the step arrives, so a server that computes in order needs no events of its own.
    """
    slots, speeds, servers = world.slots, world.speeds, world.servers
    head = speeds.block_s.shape[0] - 1
    chunk = slots.chunk_tokens[slot]
    seconds = slots.step_s[slot, slots.hop[slot]]
    if chunk > 0 and j < head:
        blocks = slots.blocks[slot, slots.hop[slot]]
        seconds = answer_s(step_s, chunk, slots.cached_tokens[slot], 0, blocks, j, speeds, world.record)
    if j < head:
        seconds *= next_factor(j, speeds, servers)
    begin_s = max(now_s, servers.free_at_s[j])
    end_s = begin_s + seconds
    servers.free_at_s[j] = end_s + speeds.handling_s * (j < head)
    servers.busy_s[j] += seconds
    slots.queue_s[slot] += begin_s - now_s
    slots.compute_s[slot] += seconds
    return end_s


@compiled(inline=True)
def queue_step(step_s, slot, j, now_s, world):
    """Queue a step at server j; begin a batch if the server is free.

    If more events come at this instant, the server waits for them, so that steps that arrive together are computed
    together.
    """
    slots, servers, events = world.slots, world.servers, world.events
    chunk, hop = slots.chunk_tokens[slot], slots.hop[slot]
    if world.speeds.stack_blocks > 0 and chunk > 0 and slots.cached_tokens[slot] == 0:
        servers.slots_used[j] += slots.blocks[slot, hop]
    slots.arrival_s[slot] = now_s
    slots.order[slot] = event_of(0, world.record)
    append(servers.queues, j if chunk == 0 else servers.free_at_s.size + j, slot)
    if servers.is_due[j] == 1:
        return
    free_at_s = servers.free_at_s[j]
    if free_at_s < now_s and (events.size[0] == 0 or events.time_s[0] > now_s):
        compute_batch(step_s, j, now_s, world)
    else:
        servers.is_due[j] = 1
        push(events, max(now_s, free_at_s), SERVER + j)


@compiled(inline=True)
def compute_batch(step_s, j, now_s, world):
    """Let the free server j compute the next batch of its waiting steps."""
    queues, servers, speeds = world.servers.queues, world.servers, world.speeds
    prompts = servers.free_at_s.size + j
    if speeds.batching == MIXED:
        tokens = min(float(queues.length[j]), speeds.budget_tokens)
        steps, chunks = int(tokens), _fitting_chunks(prompts, speeds.budget_tokens - tokens, world)
    elif _prompt_is_first(j, prompts, world):
        steps, chunks = 0, 1
    else:
        steps, chunks = _most_stacked(j, world), 0
    seconds = _batch_s(step_s, j, steps, prompts, chunks, world)
    seconds *= next_factor(j, speeds, servers)
    servers.busy_s[j] += seconds
    _finish(j, steps, now_s, seconds, world)
    _finish(prompts, chunks, now_s, seconds, world)
    servers.free_at_s[j] = now_s + seconds + speeds.handling_s * (steps + chunks)
    servers.is_due[j] = queues.length[j] + queues.length[prompts] > 0
    if servers.is_due[j] == 1:
        push(world.events, servers.free_at_s[j], SERVER + j)


@compiled
def _prompt_is_first(steps, prompts, world):
    """Return whether the first waiting step is a prompt or a chunk of one."""
    queues, order = world.servers.queues, world.slots.order
    if queues.length[prompts] == 0:
        return False
    return queues.length[steps] == 0 or order[queues.first[prompts]] < order[queues.first[steps]]


@compiled
def _most_stacked(j, world):
    """Return how many of server j's waiting one-token steps are computed together."""
    waiting, blocks = world.servers.queues.length[j], world.speeds.stack_blocks
    if blocks == 0:
        return waiting
    return min(waiting, max(1, -(-world.servers.slots_used[j] // blocks)))


@compiled
def _fitting_chunks(prompts, rest_tokens, world):
    """Return how many waiting prompts fit into the rest of the budget.

    At its first server a prompt is cut to the rest. At later servers the first chunk is taken in any case, so that
    one-token steps cannot hold it up for ever; another one that does not fit waits, and so do all behind it.
    """
    queues, slots = world.servers.queues, world.slots
    slot, chunks = queues.first[prompts], 0
    for _ in range(queues.length[prompts]):
        if slots.hop[slot] == 0:
            if rest_tokens <= 0:
                break
            slots.chunk_tokens[slot] = min(slots.chunk_tokens[slot], rest_tokens)
        elif slots.chunk_tokens[slot] > rest_tokens and chunks > 0:
            break
        rest_tokens -= slots.chunk_tokens[slot]
        chunks += 1
        slot = queues.behind[slot]
    return chunks


@compiled(inline=True)
def _batch_s(step_s, j, steps, prompts, chunks, world):
    """Return the time of server j for its first steps and chunks."""
    queues, slots = world.servers.queues, world.slots
    prompt_tokens = cached_tokens = 0.0
    blocks, slot = 0, queues.first[j]
    for _ in range(steps):
        blocks = max(blocks, slots.blocks[slot, slots.hop[slot]])
        slot = queues.behind[slot]
    slot = queues.first[prompts]
    for _ in range(chunks):
        blocks = max(blocks, slots.blocks[slot, slots.hop[slot]])
        prompt_tokens += slots.chunk_tokens[slot]
        cached_tokens += slots.cached_tokens[slot]
        slot = queues.behind[slot]
    return answer_s(step_s, prompt_tokens, cached_tokens, steps, blocks, j, world.speeds, world.record)


@compiled
def _finish(queue, count, now_s, seconds, world):
    """Remove the first, computed steps of a queue and move their jobs on."""
    slots = world.slots
    for _ in range(count):
        slot = take_first(world.servers.queues, queue)
        slots.queue_s[slot] += now_s - slots.arrival_s[slot]
        slots.compute_s[slot] += seconds
        push(world.events, next_event_s(slot, now_s + seconds, world), event_of(slot, world.record))
