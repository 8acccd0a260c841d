"""Step queues on chains in SimPy, written as its users would write it."""

from collections.abc import Iterator

import simpy

from system import Composition
from workloads.jobs import Jobs


def simpy_step_times_s(chains: Composition, jobs: Jobs) -> list[tuple[float, float]]:
    """Return the times from each job's arrival to its first token and end.

    Servers are resources for one user. Free slots of chains are in a `PriorityStore`, the fastest chain on top, which
    is JFFC.
    """
    env = simpy.Environment()
    free = simpy.PriorityStore(env)
    free.items = [(k, n) for k, chain in enumerate(chains.chains) for n in range(chain.capacity)]
    hops = [list(zip(chain.servers, chain.blocks, strict=True)) for chain in chains.chains]
    trips_s, blocks_s = chains.system.servers.communication_s.tolist(), chains.system.servers.block_s.tolist()
    servers = [simpy.Resource(env) for _ in trips_s]
    times_s = [(0.0, 0.0)] * len(jobs)

    def visit(server: int, trip_s: float, computation_s: float) -> Iterator[simpy.Event]:
        yield env.timeout(trip_s / 2)
        with servers[server].request() as turn:
            yield turn
            yield env.timeout(computation_s)
        yield env.timeout(trip_s / 2)

    def job(number: int, input_tokens: int, further_tokens: int) -> Iterator[simpy.Event]:
        arrival_s = env.now
        slot = yield free.get()
        for j, blocks in hops[slot[0]]:
            (trip_s, trip_token_s, _), (once_s, token_s, _) = trips_s[j], blocks_s[j]
            computation_s = blocks * (once_s + token_s * input_tokens)
            yield from visit(j, trip_s + trip_token_s * input_tokens, computation_s)
        first_token_s = env.now - arrival_s
        for _ in range(further_tokens):
            for j, blocks in hops[slot[0]]:
                yield from visit(j, trips_s[j][2], blocks * blocks_s[j][2])
        yield free.put(slot)
        times_s[number] = first_token_s, env.now - arrival_s

    def arrivals() -> Iterator[simpy.Event]:
        for number, (arrival_s, lengths) in enumerate(zip(jobs.arrival_s.tolist(), jobs.lengths.tolist(), strict=True)):
            yield env.timeout(arrival_s - env.now)
            env.process(job(number, int(lengths[0]), int(lengths[1])))

    env.process(arrivals())
    env.run()
    return times_s
