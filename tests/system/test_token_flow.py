"""Tests of token rates and of the largest flow of tokens, against plain second computations."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from system import InfeasibleError, NotApplicableError, Placement, ServedModel, Servers, System
from system.token_flow import compute_bound_tokens_per_s, linear_law_servers, link_tokens_per_s, max_flow, tokens_per_s

MODEL = ServedModel("model", 8, 1.0, 0.1, 100, 1.0, 1.0, hidden_size=50)
PROMPTS, STEPS = {10: 0.02, 40: 0.03}, {2: 1.0, 4: 1.5, 50: 6.0}
JOB = (1.0, 25.0, 9.0)


def random_system(seed, count=5, forwarding="direct"):
    """Return servers and links that all differ; the last has no measurements."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.5, 2, count)
    servers = Servers(
        memory_gb=rng.uniform(3, 9, count),
        communication_s=np.tile([1e-3, 2e-4, 1e-3], (count, 1)),
        block_s=scale[:, None] * [0.01, 0.001, 0.02],
        rtt_s=np.full((count, count), 1e-3),
        activation_s=rng.uniform(0.01, 0.1, (count, count)),
        batch_curves=(*[STEPS] * (count - 1), {}),
        prompt_curves=(*[{n: t * x for n, t in PROMPTS.items()} for x in scale[1:].tolist()], {}),
        cache_tokens=([3000, 900], *[[]] * (count - 1)),
    )
    return System(MODEL, servers, 1.0, JOB, forwarding=forwarding)


def random_placement(system, seed):
    """Return ranges that fit; the first begins and the last ends the model."""
    rng = np.random.default_rng(seed)
    most = np.minimum(system.servers.memory_gb.astype(int), MODEL.block_count)
    count = rng.integers(1, most + 1)
    first = rng.integers(0, MODEL.block_count - count + 1)
    first[0], first[-1] = 0, MODEL.block_count - count[-1]
    return Placement(first, count)


def networkx_flow(system, placement, partial):
    """Return the largest flow by networkx, with two nodes for each server."""
    graph, rates, links = nx.DiGraph(), tokens_per_s(system), link_tokens_per_s(system)
    graph.add_nodes_from(["source", "sink"])
    for j, (first, blocks) in enumerate(zip(placement.first_block, placement.block_count, strict=True)):
        own = rates[j, blocks] if system.forwarding == "direct" else min(rates[j, blocks], links[j, -1])
        graph.add_edge((j, "in"), (j, "out"), capacity=own)
        if first == 0:
            graph.add_edge("source", (j, "in"), capacity=links[-1, j])
        if first + blocks == MODEL.block_count:
            graph.add_edge((j, "out"), "sink", capacity=links[j, -1])
        for i, end in enumerate(placement.end_block):
            hosts_next = first <= end < first + blocks if partial else first == end
            if i != j and hosts_next:
                graph.add_edge((i, "out"), (j, "in"), capacity=links[i, j])
    return nx.maximum_flow_value(graph, "source", "sink")


@pytest.mark.parametrize("forwarding", ["direct", "hub"])
@pytest.mark.parametrize("partial", [True, False])
def test_flow_is_that_of_another_algorithm(forwarding, partial):
    flows = []
    for seed in range(12):
        system = random_system(seed, 7, forwarding)
        placement = random_placement(system, seed)
        flow = max_flow(system, placement, partial)
        assert flow.tokens_per_s == pytest.approx(networkx_flow(system, placement, partial), rel=1e-6, abs=1e-6)
        flows.append(flow.tokens_per_s)
    assert sum(value > 0 for value in flows) >= 2


def test_flow_is_conserved_and_within_all_capacities():
    system = random_system(4, 7)
    flow = max_flow(system, random_placement(system, 4))
    edges, passed = flow.edge_tokens_per_s, flow.edge_tokens_per_s[:-1].sum(axis=1)
    np.testing.assert_allclose(edges[:, :-1].sum(axis=0), passed, atol=1e-6)
    assert flow.tokens_per_s == pytest.approx(edges[-1].sum(), abs=1e-6)
    assert (edges <= link_tokens_per_s(system) + 1e-6).all()
    assert flow.tokens_per_s <= compute_bound_tokens_per_s(system)


def plain_rate(system, j, blocks, share):
    """Return the tokens/s of one server in plain arithmetic."""
    servers, model, (_, inputs, further) = system.servers, system.model, system.mean_job
    outputs = further + 1
    listed = servers.cache_tokens[j]
    free_gb = servers.memory_gb[j] - blocks * model.block_memory_gb
    tokens = listed[blocks - 1] if blocks <= len(listed) else free_gb / model.cache_memory_gb * 100 / blocks
    jobs = int(0.3 * tokens) / (inputs + outputs) * share
    prompts, steps, prompt_tokens = jobs / outputs, max(round(jobs), 1), max(round(jobs / outputs * inputs), 1)
    if prompts > 1:
        prompts, steps, prompt_tokens = 1, outputs, inputs

    def piecewise(points, size):
        known = {0: 0.0, **points}
        return float(np.interp(size, list(known), list(known.values())))

    prompt, batch = servers.prompt_curves[j], servers.batch_curves[j]
    whole = int(prompt_tokens / prompts)
    prompt_s = piecewise(prompt, whole) if prompt else servers.block_s[j, 0] + servers.block_s[j, 1] * whole
    steps_s = servers.block_s[j, 2] * (piecewise(batch, steps) if batch else min(steps, 1))
    return (prompt_tokens + steps) / prompts / (prompt_s + steps_s / prompts) / blocks


def test_rates_are_those_of_the_plain_rule():
    """Iterate speeds and shares server by server."""
    system = replace(random_system(1), mean_job=JOB)
    servers, blocks = system.servers, MODEL.block_count
    most = servers.memory_gb.astype(int).clip(max=blocks)
    typical = np.maximum(np.round(most * 2 / 3), 1).astype(int)
    steps_s = servers.block_s[:, 2] * np.where([bool(curve) for curve in servers.batch_curves], 0.5, 1.0)
    prompt_s = np.array(
        [
            np.interp(25, list(curve), list(curve.values())) if curve else own[0] + 25 * own[1]
            for curve, own in zip(servers.prompt_curves, servers.block_s, strict=True)
        ]
    )
    block_s = (prompt_s + 10 * steps_s) / 35

    def rate(j, b):
        share = b * block_s[j] / (b * block_s[j] + (blocks - b) * np.average(block_s, weights=typical))
        return plain_rate(system, j, b, share)

    for _ in range(10):
        block_s = np.array([1 / (rate(j, b) * b) for j, b in enumerate(typical.tolist())])
    table = tokens_per_s(system)
    assert table.shape == (5, most.max() + 1)
    for j in range(5):
        np.testing.assert_allclose(table[j, 1 : most[j]], [rate(j, b) for b in range(1, most[j])], rtol=1e-9)
        assert table[j, 0] == 0
        assert (table[j, most[j] + 1 :] == 0).all()


def test_servers_without_measurements_are_named_and_take_the_linear_law():
    system = random_system(2)
    assert linear_law_servers(system) == ["server 4"]
    assert linear_law_servers(replace(system, servers=replace(system.servers, batch_curves=()))) == [
        f"server {j}" for j in range(5)
    ]


def test_caps_limit_rates_and_placements():
    system = random_system(3)
    capped = replace(system, servers=replace(system.servers, most_blocks=np.array([1, 2, 1, 2, 1])))
    assert tokens_per_s(capped).shape == (5, 3)
    with pytest.raises(InfeasibleError, match="server 0 would host 2 blocks, but may host at most 1: host 1 fewer"):
        Placement(np.zeros(5, int), np.array([2, 1, 1, 1, 1])).check(capped)


def test_a_placement_without_a_way_carries_nothing():
    system = random_system(0)
    assert max_flow(system, Placement(np.zeros(5, int), np.zeros(5, int))).tokens_per_s == 0
    assert max_flow(system, Placement(np.zeros(5, int), np.ones(5, int))).tokens_per_s == 0


def test_rates_need_lengths_in_tokens():
    with pytest.raises(NotApplicableError, match="need jobs with lengths in tokens"):
        tokens_per_s(replace(random_system(0), mean_job=(1.0, 0.0, 0.0)))
