"""Tests of paths whose hops go over the hub or straight from server to server."""

from dataclasses import replace

import numpy as np
import pytest

from system import InputError, NotApplicableError, ServedModel, Servers, System

MODEL = ServedModel("model", 6, 1.0, 0.1, 100, 1.0, 1.0, hidden_size=50)
JOB = np.array([1.0, 8.0, 3.0])


def random_system(seed, forwarding, count=4):
    """Return a system whose round trips, overheads and links are all different."""
    rng = np.random.default_rng(seed)
    orchestrator_s, between_s, activation_s = rng.random(count), rng.random((count, count)), rng.random((count, count))
    overhead_s = np.column_stack([rng.random(count), np.zeros(count), rng.random(count)])
    visit_s = overhead_s + orchestrator_s[:, None] * [1, 0, 1]
    block_s = rng.random((count, 3))
    servers = Servers(
        np.ones(count),
        visit_s,
        block_s,
        (),
        orchestrator_s,
        between_s,
        overhead_s=overhead_s,
        activation_s=activation_s,
    )
    return System(MODEL, servers, 1.0, tuple(JOB), forwarding=forwarding)


def slow_path_s(system, path, blocks):
    """Return the time of a job on one path, message by message."""
    servers, (_, prompt_tokens, further_tokens) = system.servers, JOB
    total_s = 0.0
    for place, (j, m) in enumerate(zip(path, blocks, strict=True)):
        total_s += m * float(servers.block_s[j] @ JOB)
        total_s += float(servers.overhead_s[j] @ JOB)
        messages = 1 + further_tokens
        if place in (0, len(path) - 1):
            total_s += messages * servers.orchestrator_rtt_s[j] / 2 * (1 + (len(path) == 1))
        if place > 0:
            i = path[place - 1]
            total_s += messages * servers.rtt_s[i, j] / 2
            total_s += (prompt_tokens + further_tokens) * servers.activation_s[i, j]
    return total_s


@pytest.mark.parametrize("seed", range(5))
def test_a_direct_path_takes_the_time_of_its_messages(seed):
    system = random_system(seed, "direct")
    paths, blocks = [[2, 0, 3], [1], [3, 1]], [[1, 2, 3], [6], [2, 4]]
    start = np.array([0, 3, 4, 6])
    coefficients_s = system.path_coefficients_s(np.concatenate(paths), np.concatenate(blocks), start)
    expected_s = [slow_path_s(system, path, runs) for path, runs in zip(paths, blocks, strict=True)]
    np.testing.assert_allclose(coefficients_s @ JOB, expected_s, rtol=1e-12)


def test_direct_hops_at_the_distance_of_the_hub_take_the_same_time():
    hub = random_system(1, "hub")
    servers = hub.servers
    half_s = servers.orchestrator_rtt_s
    through_hub_s = half_s[:, None] + half_s  # to the orchestrator and on
    same = replace(servers, rtt_s=through_hub_s, activation_s=None)
    hops = np.array([2, 0, 3]), np.array([1, 2, 3]), np.array([0, 3])
    expected_s = hub.path_coefficients_s(*hops)
    direct = System(MODEL, same, 1.0, tuple(JOB), forwarding="direct")
    np.testing.assert_allclose(direct.path_coefficients_s(*hops), expected_s, rtol=1e-12)


def test_planning_takes_the_mean_over_the_other_servers():
    system = random_system(3, "direct")
    expected_s = []
    for j in range(4):
        others = [i for i in range(4) if i != j]
        pairs = [(i, j) for i in others] + [(j, i) for i in others]
        crossings_s = [system.servers.crossing_coefficients_s(np.array([i]), np.array([k]))[0] @ JOB for i, k in pairs]
        expected_s.append(np.mean(crossings_s))
    np.testing.assert_allclose(system.communication_s, expected_s, rtol=1e-12)


def test_unknown_round_trips_and_words_are_refused():
    system = random_system(1, "hub")
    with pytest.raises(InputError, match="forwarding = star"):
        replace(system, forwarding="star")
    unknown = replace(system, servers=replace(system.servers, rtt_s=None))
    with pytest.raises(NotApplicableError, match="forwarding = direct: needs the round-trip times"):
        replace(unknown, forwarding="direct")
