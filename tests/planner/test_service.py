"""Predictions by theory and by simulation, and plans under service models in which requests slow each other."""

import re
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import yaml

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.jsq import JSQ
from evaluators.queueing.interference import largest_rate_per_s
from evaluators.queueing.steady_state import steady_state
from evaluators.simulation import simulate_layout
from planner.choice.prediction import loaded, predict, response_times
from planner.choice.quantity import RateUnderSlo, ResponseTime
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.inventory.services import FOLDER, NamedService
from planner.output.card import plan_card
from planner.output.document import plan_document
from planner.results import Prediction
from planner.study.cautions import warnings
from planner.study.study_plan import study
from planner.words import digits
from system import InputError, NotApplicableError, RandomStreams, UnstableError
from system.intervals import half_width_of
from system.service.independent import INDEPENDENT, Independent
from system.service.steps import Steps
from tests.support.planner_inventories import small_inventory
from tests.support.project import ROOT
from workloads.arrivals import Hyperexponential

LAB = {"large": 1, "middle": 1, "small": 2}
QUANTILES = (0.5, 0.95, 0.99)
STEPS = NamedService("steps", {}, Steps())
CONTENT = {
    "model": {"preset": "llama3_8b", "weights": "int8"},
    "cache_tokens": 1024,
    "servers": [
        {"name": "big", "gpu": "rtx_3090", "rtt_ms": 4},
        {"name": "box", "count": 3, "memory_gb": 8, "prefill_tflops": 20, "bandwidth_gb_per_s": 200, "rtt_ms": 10},
    ],
    "rtt_between_servers_ms": 5,
    "workload": {"trace": "trace.csv", "rate_per_s": 3},
    "goal": {"minimise": "p95"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a trace of 600 short requests."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("service")
    arrival_s = np.cumsum(rng.exponential(1.0, 600))
    rows = [
        f"2023-11-16 {18 + int(t) // 3600}:{int(t) // 60 % 60:02d}:{t % 60:010.7f},{tokens},{more}"
        for t, tokens, more in zip(arrival_s, rng.integers(10, 300, 600), rng.integers(1, 40, 600), strict=True)
    ]
    (path / "trace.csv").write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    return path


def read(folder, read_file=read_inventory, **changes):
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(CONTENT | changes))
    return read_file(path)


def with_steps(inventory: Inventory) -> Inventory:
    return replace(inventory, service=STEPS)


def theory_and_simulation():
    """Return a plan with exact times and a plan with simulated times."""
    return [plan(small_inventory(LAB, Minimise(), 0.5, arrivals)) for arrivals in (None, Hyperexponential(cv=2))]


@pytest.mark.parametrize("index", [0, 1])
def test_a_prediction_has_the_values_of_theory_or_simulation(index):
    best = theory_and_simulation()[index]
    layout, workload = best.composition, best.inventory.workload
    if index == 0:
        times = steady_state(layout)
    else:
        times = simulate_layout(layout, workload.jobs(0.5, RandomStreams(0))).times.after_warm_up(0.1)
    prediction = predict(layout, workload, QUANTILES)
    assert prediction.method == ("exact", "simulated")[index]
    assert prediction.rate_per_s == 0.5
    assert prediction.total_rate_per_s == pytest.approx(layout.total_rate_per_s, rel=1e-14)
    assert prediction.load == pytest.approx(layout.load, rel=1e-14)
    assert prediction.mean_s == times.mean_s("response")
    assert prediction.waiting_mean_s == times.mean_s("waiting")
    assert prediction.waiting_probability == times.share_above("waiting", 0.0)
    assert prediction.first_token_mean_s == times.mean_s("first_token")
    assert prediction.mean_half_width_s == times.half_width_s("response", confidence=0.99)
    for q in QUANTILES:
        assert prediction.quantiles_s[q] == times.quantile_s("response", q)
        assert prediction.first_token_quantiles_s[q] == times.quantile_s("first_token", q)
        assert prediction.quantile_half_widths_s[q] == times.half_width_s("response", q, 0.99)
    np.testing.assert_array_equal(prediction.chain_shares, times.by_chain.share)
    np.testing.assert_allclose(prediction.chain_utilisation, times.by_chain.busy(0.5) / layout.capacity)
    for field in fields(Prediction):
        np.testing.assert_equal(getattr(prediction, field.name), getattr(best.prediction, field.name))


def test_intervals_are_of_twenty_batches_at_99_percent():
    _, best = theory_and_simulation()
    jobs = best.inventory.workload.jobs(0.5, RandomStreams(0))
    response_s = simulate_layout(best.composition, jobs).times.after_warm_up(0.1).response_s
    batches = np.array_split(response_s, 20)
    assert best.prediction.mean_half_width_s == pytest.approx(half_width_of([b.mean() for b in batches], 0.99))
    for q, half_width_s in best.prediction.quantile_half_widths_s.items():
        assert half_width_s == pytest.approx(half_width_of([np.quantile(b, q) for b in batches], 0.99))
    exact = theory_and_simulation()[0].prediction
    assert (exact.mean_half_width_s, *exact.quantile_half_widths_s.values()) == (0.0,) * 4


def test_the_planner_has_no_evaluators_of_its_own():
    code = "\n".join(path.read_text() for path in (ROOT / "planner").rglob("*.py"))
    for own in ("stdtrit", "scipy.special", "scipy.stats", ".std(", "def half_width", "simulate_jobs", "exact(rate"):
        assert own not in code


def test_chains_of_a_plan_are_under_jffc_whatever_their_policy_was():
    best = plan(small_inventory(LAB, Minimise(), 0.5))
    assert best.composition.rule is JFFC
    assert best.composition.system.arrival_rate_per_s == best.prediction.rate_per_s
    again = plan_of_layout(best.inventory, best.composition.under(JSQ))
    assert again.composition.rule is JFFC
    assert again.prediction.mean_s == best.prediction.mean_s


def test_the_theory_is_for_chains_under_jffc_only():
    best = plan(small_inventory(LAB, Minimise(), 0.5))
    other = predict(best.composition.under(JSQ), best.inventory.workload, QUANTILES)
    assert other.method == "simulated"
    assert other.mean_s + other.mean_half_width_s > best.prediction.mean_s


def test_a_rate_that_is_too_high_is_refused_in_one_sentence():
    best = plan(small_inventory(LAB, Minimise(), 0.5))
    too_fast = best.composition.at_rate(2 * best.composition.total_rate_per_s)
    for workload in (best.inventory.workload, replace(best.inventory.workload, arrivals=Hyperexponential(cv=2))):
        with pytest.raises(UnstableError, match=r"arrival_rate_per_s = .*: must be below the total service rate"):
            response_times(too_fast, workload)


def settings_in(path):
    """Return a service model's settings, with those that it builds on."""
    content = yaml.safe_load(path.read_text())
    parents = [settings_in(path.with_stem(name)) for name in content.pop("defaults", ())]
    return {key: measured(value) for settings in [*parents, content] for key, value in settings.items()}


def measured(value):
    """Return a setting; that of an engine is in its profile."""
    if not (isinstance(value, str) and value.startswith("${engine:")):
        return value
    name, key = value.removeprefix("${engine:").removesuffix("}").split(",")
    profile = yaml.safe_load((ROOT / f"hardware_profiles/{name}.yaml").read_text())
    if key != "batch_curve":
        return profile["measured_engine"]["small_llama"][key]
    rows = profile["measured_points"]["small_llama"]["decode_together"]
    return {jobs: seconds / rows[0][2] for _, jobs, seconds in rows}


def test_equation_2_is_the_default_and_the_models_are_those_of_conf_service(folder):
    assert read(folder).service == NamedService() == NamedService("independent", {}, Independent())
    for path in FOLDER.glob("*.yaml"):
        defaults = settings_in(path)
        service = read(folder, service=path.stem).service
        assert (service.name, service.options) == (path.stem, {})
        assert defaults.pop("_target_") == f"{type(service.model).__module__}.{type(service.model).__qualname__}"
        assert {key: getattr(service.model, key) for key in defaults} == defaults
        assert read(folder, service={"name": path.stem}).service == service
    assert FOLDER == ROOT / "conf/service"


def test_options_of_a_service_model_override_those_of_its_file(folder):
    service = read(folder, service={"name": "steps", "batching": "decode", "handling_s": 0.1}).service
    assert service.options == {"batching": "decode", "handling_s": 0.1}
    assert service.model == Steps(batching="decode", handling_s=0.1)
    assert not service.is_independent


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (
            "stepz",
            "service = stepz: unknown; did you mean steps or lockstep? Choose one of independent, llamacpp, lockstep, "
            "steps, steps_decode, token_budget",
        ),
        (
            {"name": 3},
            "service = 3: unknown; choose one of independent, llamacpp, lockstep, steps, steps_decode, token_budget",
        ),
        ({"batching": "decode"}, "name of service is missing: give the name of a service model, such as steps"),
        (None, "service is missing: give the name of a service model, such as steps"),
        (["steps"], "service = ['steps']: must be the name of a service model, such as steps"),
        (
            {"name": "steps", "baching": "decode"},
            "key of service = baching: unknown; did you mean batching or stacking? Choose one of "
            "batch_curve, batching, handling_s, head_s, name, prefill_chunk_tokens, slowdown, slowdown_cv, stacking",
        ),
        (
            {"name": "independent", "slowdown": 2},
            "key of service = slowdown: unknown; choose one of name, request_delay_s",
        ),
        ({"name": "steps", "batching": "all"}, "service: batching = all: must be one of serial, decode"),
        ({"name": "steps", "slowdown": "much"}, "service: slowdown = much: must be a finite number above 0"),
    ],
)
def test_a_mistake_in_the_service_is_refused_in_one_sentence(folder, service, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(folder, service=service)


def test_the_service_model_of_a_layout_is_read_too(folder):
    servers = [server | {"blocks": "0:32"} for server in CONTENT["servers"]]
    servers[1] |= {"memory_gb": 12}
    inventory, layout = read(folder, read_layout, servers=servers, service="steps")
    assert inventory.service == STEPS
    slower, alone = (
        plan_of_layout(inventory, layout),
        plan_of_layout(replace(inventory, service=NamedService()), layout),
    )
    assert slower.prediction.mean_s > alone.prediction.mean_s


def test_requests_that_slow_each_other_take_longer(folder):
    inventory = read(folder)
    chains = plan(inventory).composition
    alone = predict(chains, inventory.workload, QUANTILES)
    steps, decode = (predict(chains, inventory.workload, QUANTILES, Steps(batching=b)) for b in ("serial", "decode"))
    assert {alone.method, steps.method, decode.method} == {"simulated"}
    assert alone.mean_s < decode.mean_s < steps.mean_s
    assert alone.quantiles_s[0.95] < decode.quantiles_s[0.95] < steps.quantiles_s[0.95]
    assert (alone.server_utilisation <= steps.server_utilisation).all()
    slower = predict(chains, inventory.workload, QUANTILES, Steps(slowdown=1.05))
    assert slower.mean_s > steps.mean_s


def test_requests_that_do_not_overlap_take_the_time_of_equation_2(folder):
    inventory = read(folder, workload={"trace": "trace.csv", "rate_per_s": 1e-4})
    chains = plan(inventory).composition
    alone, steps = (predict(chains, inventory.workload, QUANTILES, service) for service in (INDEPENDENT, Steps()))
    assert steps.mean_s == pytest.approx(alone.mean_s, rel=1e-6)
    assert steps.first_token_mean_s == pytest.approx(alone.first_token_mean_s, rel=1e-6)  # in 1e8 s


def test_varying_slowdowns_follow_the_seed(folder):
    inventory = read(folder)
    chains, varied = plan(inventory).composition, Steps(slowdown_cv=0.5)
    first, again, other = (predict(chains, inventory.workload, QUANTILES, varied, seed).mean_s for seed in (1, 1, 2))
    assert first == again != other


def test_a_plan_is_made_and_judged_under_its_service_model(folder):
    alone, slowed = plan(read(folder)), plan(read(folder, service="steps"))
    assert slowed.prediction.method == "simulated"
    assert slowed.prediction.quantiles_s[0.95] > alone.prediction.quantiles_s[0.95]
    tried = [candidate.value for candidate in slowed.candidates if candidate.value is not None]
    assert slowed.prediction.quantiles_s[0.95] == min(tried)
    judged = study(slowed)
    for other in judged.alternatives:
        assert other.prediction is None or other.prediction.method == "simulated"
    by_name = {entry.name: entry for entry in judged.ranges}
    assert by_name["block time of all servers"].low < slowed.prediction.quantiles_s[0.95]


def test_the_largest_rate_is_lower_where_requests_slow_each_other(folder):
    goal = {"largest_rate": {"quantile": 0.9, "slo_s": 3}}
    changes = {"workload": {"trace": "trace.csv"}, "goal": goal}
    alone, slowed = plan(read(folder, **changes)), plan(read(folder, **changes, service="steps"))
    assert slowed.prediction.rate_per_s < alone.prediction.rate_per_s
    assert slowed.prediction.quantiles_s[0.9] <= 3
    quantity = RateUnderSlo(0.9, 3.0, slowed.inventory.workload, Steps())
    assert quantity.value(slowed.composition) == slowed.prediction.rate_per_s


def test_card_and_document_name_the_service_model(folder):
    alone, slowed = (plan(read(folder, service=name)) for name in ("independent", {"name": "steps", "slowdown": 1.1}))
    cards = [" ".join(plan_card(study(best), "lab", best).split()) for best in (alone, slowed)]
    assert "simulated with the given requests and the service model independent;" in cards[0]
    assert "simulated with the given requests and the service model steps (slowdown = 1.1);" in cards[1]
    assert "even if requests do not slow each other" in cards[1]
    exact = plan(small_inventory(LAB, Minimise(), 0.5))
    words = " ".join(plan_card(study(exact), "", exact).split())
    assert "exponential job sizes and the service model independent;" in words
    settings = [plan_document(study(best), best)["plan"]["inventory"]["service"] for best in (alone, slowed)]
    assert settings[0] == {"name": "independent", "settings": {"request_delay_s": 0}}
    assert settings[1]["name"] == "steps"
    of_file = {
        key: value for key, value in yaml.safe_load((FOLDER / "steps.yaml").read_text()).items() if key[0] != "_"
    }
    assert settings[1]["settings"] == of_file | {"slowdown": 1.1}


def test_the_largest_rate_of_step_queues_stands_beside_the_total_rate(folder):
    inventory = read(folder, service="steps", workload={"trace": "trace.csv", "rate_per_s": 0.3})
    best = plan(inventory)
    chains, workload = best.composition, inventory.workload
    largest_per_s = largest_rate_per_s(chains, workload, Steps())
    assert best.prediction.saturation_rate_per_s == largest_per_s < best.prediction.total_rate_per_s
    slower = predict(chains.at_rate(0.1), workload, QUANTILES, Steps(slowdown=2))
    assert slower.saturation_rate_per_s == largest_rate_per_s(chains, workload, Steps(slowdown=2)) < largest_per_s
    decode = predict(chains, workload, QUANTILES, Steps(batching="decode"))
    others = (predict(chains, workload, QUANTILES), predict(chains.under(JSQ), workload, QUANTILES, Steps()), decode)
    assert {other.saturation_rate_per_s for other in others} == {other.load_of_saturation for other in others} == {None}
    words = " ".join(plan_card(study(best), "", best).split())
    largest = f"one step at a time, the largest rate is about {digits(largest_per_s)} requests/s"
    assert f"{largest}; 0.300 requests/s is" in words
    shown = plan_document(study(best), best)["plan"]["prediction"]
    assert (shown["saturation_rate_per_s"], shown["load_of_saturation"]) == (largest_per_s, 0.3 / largest_per_s)


def test_plans_above_half_of_the_largest_rate_of_step_queues_are_a_warning(folder):
    inventory = read(folder, service="steps")
    chains = plan(inventory).composition
    largest_per_s = largest_rate_per_s(chains, inventory.workload, Steps())
    below, above = (
        plan_of_layout(replace(inventory, rate_per_s=share * largest_per_s), chains.at_rate(share * largest_per_s))
        for share in (0.48, 0.52)
    )
    assert not any("one step at a time" in sentence for sentence in warnings(below))
    (sentence,) = [sentence for sentence in warnings(above) if "one step at a time" in sentence]
    assert f" requests/s is 52% of the about {largest_per_s:.3g} requests/s of servers that" in sentence


def test_lockstep_is_named_beside_its_largest_rate(folder):
    alone = CONTENT["servers"][:1]
    best = plan(read(folder, service="lockstep", servers=alone, workload=CONTENT["workload"] | {"rate_per_s": 0.3}))
    words = " ".join(plan_card(study(best), "", best).split())
    largest = f"about {digits(best.prediction.saturation_rate_per_s)} requests/s"
    assert f"If servers compute all requests of a chain together, the largest rate is {largest}" in words
    assert best.prediction.saturation_rate_per_s > 0.3


def test_busy_prompts_are_a_warning_only_where_nothing_is_known_of_shared_computation(folder):
    boxes = [server | {"prefill_tflops": 0.2} for server in CONTENT["servers"][1:]]
    best = plan(read(folder, servers=boxes, workload={"trace": "trace.csv", "rate_per_s": 0.2}))
    assert best.computation is not None
    assert not any("prompts alone need" in sentence for sentence in warnings(best))
    unknown = replace(best, computation=None)
    (sentence,) = [sentence for sentence in warnings(unknown) if "prompts alone need" in sentence]
    assert "the service model assumes that concurrent requests do not slow each other" in sentence
    slowed = replace(unknown, inventory=with_steps(best.inventory))
    assert not any("not slow each other" in sentence for sentence in warnings(slowed))


@pytest.mark.parametrize(
    "inventory",
    [
        small_inventory(LAB, Minimise(0.95), 0.5),
        small_inventory(LAB, LargestRate(0.95, 12)),
        small_inventory(LAB, Cheapest(0.95, 12), 0.5),
    ],
)
def test_requests_of_fractional_tokens_cannot_be_planned_with_steps(inventory):
    assert not ResponseTime(0.5, None, inventory.workload, Steps()).is_exact
    assert not RateUnderSlo(0.5, 12.0, inventory.workload, Steps()).is_exact
    with pytest.raises(NotApplicableError, match=r"workload: its jobs have parts of tokens .* or a trace"):
        plan(with_steps(inventory))


def test_a_plan_is_unstable_if_steps_wait_for_each_other_at_a_server(folder):
    inventory = read(folder, workload={"trace": "trace.csv", "rate_per_s": 20})
    assert plan(inventory).prediction.load < 1
    with pytest.raises(UnstableError, match=r"leave more slowly than they come.*steps wait for each other"):
        plan(with_steps(inventory))


def test_the_planner_reads_conf_without_hydra():
    loads = "any(name.startswith(('hydra', 'omegaconf')) for name in sys.modules)"
    code = f"import sys, plan, planner.inventory.services; sys.exit({loads})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_chains_at_another_rate_are_the_same_chains():
    best = plan(small_inventory(LAB, Minimise(), 0.5))
    other = loaded(best.composition, 0.7)
    assert other.system.arrival_rate_per_s == 0.7
    np.testing.assert_array_equal(other.capacity, best.composition.capacity)
    time = ResponseTime(0.7, None, best.inventory.workload)
    assert time.value(best.composition) == steady_state(other).mean_s("response")
