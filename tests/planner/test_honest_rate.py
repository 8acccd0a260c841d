"""Largest rates and times that servers sustain, against long simulations of other requests."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import yaml

from evaluators.queueing.steady_state import steady_state
from evaluators.simulation import simulate_layout
from planner.choice.prediction import loaded
from planner.choice.search import plan, plan_of_layout
from planner.choice.sharing.batches import STACKS, as_run, roofline_curve
from planner.choice.sharing.computation import never_meet, paired_difference_s, shared_computation, work_rate_per_s
from planner.choice.sharing.even_lengths import EvenLengths
from planner.inventory.reading import inventory_of
from planner.output.card import plan_card
from planner.results import MUCH, Comparison
from planner.study.cautions import warnings
from planner.study.study_plan import study
from planner.words import digits
from system import RandomStreams, UnstableError
from tests.support.project import ROOT
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths

GPU_AND_CHAIN = {
    "model": {"preset": "qwen2_5_14b", "weights": "nf4"},
    "cache_tokens": 4096,
    "servers": [{"name": "a", "gpu": "rtx_4090", "rtt_ms": 0.3}],
    "overheads": {"prefill_ms": 5, "token_ms": 2},
    "workload": {"input_tokens": 800, "output_tokens": 200},
    "goal": {"largest_rate": {"quantile": 0.95, "slo_s": 30}},
}
H100 = GPU_AND_CHAIN | {
    "model": "llama3_8b",
    "cache_tokens": 2048,
    "servers": [{"name": "h100", "gpu": "h100_sxm", "rtt_ms": 0.1}],
    "overheads": {"prefill_ms": 1, "token_ms": 0.5},
    "workload": {"input_tokens": 512, "output_tokens": 256},
}
LAB = yaml.safe_load((ROOT / "planner/examples/lab.yaml").read_text())


def helix():
    """Return Helix's 24 servers with its own measurements, on a local network."""
    servers = yaml.safe_load((ROOT / "conf/cluster/helix_single24.yaml").read_text())["servers"]
    return GPU_AND_CHAIN | {
        "model": "llama2_70b",
        "cache_tokens": 1024,
        "servers": [server | {"rtt_ms": 2} for server in servers],
        "overheads": {"prefill_ms": 0, "token_ms": 0},
        "workload": {"input_tokens": 763, "output_tokens": 232},
        "goal": {"largest_rate": {"quantile": 0.95, "slo_s": 300}},
    }


def random_inventory(seed):
    """Return two or three random servers of a lab."""
    rng = np.random.default_rng(seed)
    gpus = rng.choice(["rtx_3090", "rtx_4090", "rtx_a6000", "a100_40gb"], rng.integers(2, 4)).tolist()
    servers = [{"name": f"s{n}", "gpu": gpu, "rtt_ms": float(rng.uniform(0.1, 5))} for n, gpu in enumerate(gpus)]
    slo_s = float(rng.uniform(40, 120))
    return GPU_AND_CHAIN | {
        "model": {"preset": "qwen2_5_32b", "weights": "nf4"},
        "servers": servers,
        "workload": {"input_tokens": int(rng.integers(100, 1500)), "output_tokens": int(rng.integers(50, 300))},
        "goal": {"largest_rate": {"quantile": 0.95, "slo_s": slo_s}},
    }


@cache
def planned(name):
    return plan(inventory_of(globals()[name], ROOT))


def sustains(best, rate_per_s, jobs, kind=DrawnLengths):
    """Return whether a long run of other requests keeps to the SLO."""
    workload, service = best.inventory.workload, shared_computation(best.inventory).service
    drawn = kind(Poisson(), jobs, workload.input_tokens, workload.output_tokens)
    chains = loaded(as_run(best.composition, best.inventory.engine), rate_per_s)
    try:
        run = simulate_layout(chains, drawn.jobs(rate_per_s, RandomStreams(77)), service, stop_unstable=True)
    except UnstableError:
        return False
    return run.times.after_warm_up().quantile_s("response", 0.95) <= best.inventory.goal.slo_s


@pytest.mark.parametrize(("content", "jobs"), [("GPU_AND_CHAIN", 40_000), ("H100", 40_000)])
def test_one_gpu_promises_no_more_than_it_sustains_and_not_much_less(content, jobs):
    best = planned(content)
    rate_per_s = best.prediction.rate_per_s
    assert rate_per_s == best.goal_value <= 0.9 * best.computation.saturation_rate_per_s * (1 + 1e-9)
    assert best.computation.rate_of_slots_per_s > 3 * rate_per_s
    assert sustains(best, 0.98 * rate_per_s, jobs)
    assert not sustains(best, 1.15 * rate_per_s, jobs)


@pytest.mark.slow
def test_the_rate_on_helix_servers_is_sustained_and_below_the_flow_of_any_layout():
    best = plan(inventory_of(helix(), ROOT))
    assert best.computation.saturation_rate_per_s < 1.48  # requests/s, the flow of the best layout known for them
    assert sustains(best, 0.97 * best.prediction.rate_per_s, 4_000, EvenLengths)
    assert not sustains(best, 1.25 * best.prediction.rate_per_s, 4_000, EvenLengths)


def test_a_plan_without_shared_servers_promises_the_rate_of_equation_2():
    """Let the cache of one request fill the GPU, so that requests never meet."""
    content = GPU_AND_CHAIN | {"cache_tokens": 40_000, "goal": {"largest_rate": {"quantile": 0.95, "slo_s": 60}}}
    best = plan(inventory_of(content | {"servers": [{"name": "a", "gpu": "rtx_3090", "rtt_ms": 1}]}, ROOT))
    assert never_meet(best.composition)
    assert best.computation is None
    queue = steady_state(best.composition.at_rate(best.prediction.rate_per_s))
    assert queue.quantile_s("response", 0.95) == pytest.approx(60, rel=1e-3)


@pytest.mark.parametrize("engine", ["vllm", "petals"])
def test_a_tight_slo_is_kept(engine):
    """Leave little beyond the time of requests alone."""
    alone = inventory_of(
        H100 | {"engine": engine, "goal": "p95", "workload": H100["workload"] | {"rate_per_s": 1e-4}}, ROOT
    )
    slo_s = 1.06 * plan(alone).prediction.quantiles_s[0.95]
    best = plan(
        inventory_of(H100 | {"engine": engine, "goal": {"largest_rate": {"quantile": 0.95, "slo_s": slo_s}}}, ROOT)
    )
    assert best.computation.prediction.quantiles_s[0.95] <= slo_s
    assert 0 < best.prediction.rate_per_s < 0.3 * best.computation.saturation_rate_per_s


@pytest.mark.parametrize("seed", range(4))
def test_random_plans_promise_no_more_than_they_sustain(seed):
    best = plan(inventory_of(random_inventory(seed), ROOT))
    assert sustains(best, 0.97 * best.prediction.rate_per_s, 10_000)


def test_the_card_says_both_rates_and_compares_nothing_with_chance():
    whole = study(planned("GPU_AND_CHAIN"))
    card = " ".join(plan_card(whole, "", whole.plan).split())
    slots_per_s = whole.plan.computation.rate_of_slots_per_s
    assert f"Largest rate: {digits(slots_per_s)} requests/s by equation (2), in which no request slows another" in card
    assert "does better" not in card
    assert "its times are too short" in card


def test_times_with_shared_computation_stand_beside_those_of_equation_2():
    best = plan(inventory_of(LAB, ROOT))
    assert MUCH < best.load_of_computation < 1
    assert best.computation.prediction.mean_s > 1.3 * best.prediction.mean_s
    card = " ".join(plan_card(study(best), "", best).split())
    assert "shared computation" in card
    simulated, alone = best.computation.prediction, best.prediction
    assert f"answers are complete after {digits(simulated.mean_s)} s on average" in card
    assert f"which equation (2) assumes, it would be {digits(alone.mean_s)} s on average" in card
    assert f"after {digits(alone.mean_s)}" not in card


def test_a_rate_above_what_servers_compute_is_said_first():
    content = LAB | {"workload": LAB["workload"] | {"rate_per_s": 1.5}}
    best = plan(inventory_of(content, ROOT))
    assert best.load_of_computation > 1
    assert best.computation.prediction is None
    assert plan_card(study(best), "", best).splitlines()[2].startswith("  TOO MUCH FOR THESE SERVERS")
    assert any("requests pile up" in sentence for sentence in warnings(best))


def test_a_low_rate_needs_no_second_opinion():
    inventory = inventory_of(LAB | {"workload": LAB["workload"] | {"rate_per_s": 0.05}}, ROOT)
    best = plan(inventory)
    assert best.computation.prediction is None
    assert not any("equation (2)" in sentence for sentence in warnings(best))
    again = plan_of_layout(inventory, best.composition)
    assert again.computation == best.computation


def test_stacks_of_the_roofline_read_weights_once_and_each_cache_once():
    best = planned("H100")
    system, servers = best.composition.system, best.composition.system.servers
    _, prompt_token_s, step_s = servers.block_s[0]
    curve = roofline_curve(system, prompt_token_s / step_s)
    context_gb = system.model.cache_memory_gb / 2048 * (512 + 255 / 2)
    for size in (8, 1024):
        reading_s = step_s * (1 + (size - 1) * context_gb / system.model.decode_read_gb)
        assert curve[size] * step_s == pytest.approx(max(reading_s, size * prompt_token_s))
    assert STACKS[0] == 1
    assert min(curve.values()) >= 1


def test_estimates_are_near_the_simulation():
    for name in ("GPU_AND_CHAIN", "H100"):
        best = planned(name)
        assert work_rate_per_s(best.composition) == pytest.approx(best.computation.saturation_rate_per_s, rel=0.3)


def test_even_lengths_have_exact_means_and_the_order_of_drawn_lengths():
    even, drawn = (kind(Poisson(), 4000, 800, 200).jobs(1.0, RandomStreams(3)) for kind in (EvenLengths, DrawnLengths))
    np.testing.assert_allclose(even.lengths.mean(axis=0), [800, 199], rtol=2e-3)
    assert np.corrcoef(even.lengths[:, 0], drawn.lengths[:, 0])[0, 1] > 0.99
    np.testing.assert_array_equal(even.arrival_s, drawn.arrival_s)


def test_a_paired_difference_is_narrower_than_two_intervals():
    best = planned("GPU_AND_CHAIN")
    shared = shared_computation(best.inventory)
    slower = replace(shared, service=replace(shared.service, slowdown=1.05))
    chains = loaded(best.composition, 0.5 * best.prediction.rate_per_s)
    ours, theirs = slower.times(chains, chains), shared.times(chains, chains)
    difference_s, half_width_s = paired_difference_s(ours, theirs, None)
    assert difference_s == pytest.approx(ours.mean_s("response") - theirs.mean_s("response"))
    assert 0 < half_width_s < difference_s
    assert half_width_s < ours.half_width_s("response", confidence=0.99)
    assert Comparison(difference_s + 10, 10.0, half_width_s).is_better == (difference_s > 0.1)
