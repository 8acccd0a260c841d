"""The waits and ends of jobs: as a scheme expects them, and as they will be."""

# mypy: disable-error-code="no-untyped-def"

from algorithms.routing.ws_rr import expected_wait
from evaluators.admission.paths import path_coefficients_s
from evaluators.admission.routes_state import BY_PLAN, Graph, Lists, Paths, Routes
from system.code.compiler import compiled
from system.service.linear_law import job_s


@compiled
def expected_end_s(job: int, start_s: float, graph: Graph, paths: Paths) -> float:
    """Return the job's expected end if it starts at `start_s`."""
    mean_s = 0.0
    for h in range(paths.hops[job]):
        mean_s += graph.mean_s[paths.link[job, h]]
    return start_s + mean_s + graph.initial_delay_s


@compiled
def real_end_s(job: int, start_s: float, routes: Routes) -> float:
    """Return when the job will really end if it starts at `start_s`."""
    sizes = routes.sizes
    once_s, input_token_s, output_token_s = path_coefficients_s(routes.graph, routes.paths, job)
    row = job if sizes.lengths.shape[0] > 1 else 0
    lengths = sizes.lengths[row, 0], sizes.lengths[row, 1]
    _, service_s = job_s(once_s, input_token_s, output_token_s, sizes.size[job], *lengths)
    return start_s + service_s + sizes.delay_s


@compiled
def expected_wait_s(delay, job, now_s, graph, paths, room):
    """Return the longest wait that is expected on the job's path."""
    if graph.delay_is_wait:
        return _longest_s(delay, job, now_s, graph, paths, room.seen, room.known_free)
    return least_wait_s(job, now_s, graph, paths, room.unseen if graph.unseen == BY_PLAN else room.seen)


@compiled
def least_wait_s(job: int, now_s: float, graph: Graph, paths: Paths, lists: Lists) -> float:
    """Return the time until the job's path has room.

    The listed jobs are taken to end as listed.
    """
    return _longest_s(expected_wait, job, now_s, graph, paths, lists, lists.unclaimed)


@compiled
def _longest_s(delay, job, now_s, graph, paths, lists, free):
    """Return the longest delay on the job's path."""
    longest_s, width = 0.0, lists.held.size // lists.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        server = (j, graph.blocks[n], graph.hosted[j], free[j], lists.unclaimed[j])
        first = j * width
        at_server = (now_s, first, first + lists.listed[j], lists.end_s, lists.held, graph.settings)
        longest_s = max(longest_s, delay(*server, *at_server))
    return longest_s
