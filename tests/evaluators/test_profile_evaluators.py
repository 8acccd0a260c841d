"""The evaluators behind Fig. 4, 5 and 7b, compared with the time model computed here."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from evaluators.points.distributions import ServiceTimesEvaluator, service_times_s
from evaluators.points.hardware import CommunicationProfile, ComputationProfile
from hardware_profiles.profile import GpuProfile
from plots.drawing.measured_points import NOTE
from plots.drawing.style import LOOKS
from plots.figures.beyond import fig4_measured
from plots.figures.paper import fig4
from store.tables.labels import Labels
from sweep.instantiate import evaluate
from system import InputError, ServedModel, Servers
from tests.support.made_up_results import results_of
from tests.support.project import case_of, choices
from workloads.jobs import Jobs

MODEL = ServedModel("example", 8, 2.0, 0.1, 128, prefill_gflop=3, decode_read_gb=0.5)
RATES = {"prefill_tflops": 50, "bandwidth_gb_per_s": 200, "overhead_s": 0.002}
GPU = {"name": "example", "description": "", "source": "", **RATES}


def rows_of(*overrides, draws=1):
    outcome = evaluate(case_of(*overrides), range(draws), range(1))
    assert not outcome.refusals
    return pd.DataFrame(outcome.rows).assign(status="ok", draws=1)


def by_coordinate(measurements, metric):
    """Return the values of a metric by coordinate."""
    return {at: value for name, value, at in measurements if name == metric}


def line(rows, metric):
    return rows[rows["metric"] == metric].set_index("at")["value"]


@pytest.mark.parametrize(
    ("profile", "block_ms"),
    [
        ("a100_3g_40gb", 108.92),
        ("a100_2g_20gb", 175.18),
        ("a100_3g_40gb_published_code", 89.69),
        ("a100_2g_20gb_published_code", 178.38),
    ],
)
def test_lines_of_a_profile_add_up_to_the_published_block_time(profile, block_ms):
    rows = rows_of("experiment=fig4", "data=embedded", f"profile={profile}")
    prefill_s, decode_s = line(rows, "prefill_by_input_s"), line(rows, "decode_by_output_s")
    assert (prefill_s[2000] + decode_s[20]) * 1e3 == pytest.approx(block_ms, abs=0.005)
    assert line(rows, "prefill_by_blocks_s")[1] == pytest.approx(prefill_s[2000])  # the mean prompt of Sec. 4
    for straight in (prefill_s, decode_s, line(rows, "prefill_by_blocks_s")):
        slopes = np.diff(straight) / np.diff(straight.index)
        assert slopes == pytest.approx(np.full(slopes.size, slopes[0]))
    assert rows.loc[rows["metric"] == "measured_fit", "value"].tolist() == [0]


def computation(gpu):
    draw = SimpleNamespace(
        case=SimpleNamespace(fitted_model=MODEL, fitted_workload=SimpleNamespace(mean_job=(1, 100, 5)))
    )
    return ComputationProfile(gpu, input_tokens=[10, 50], output_tokens=[1, 4])(draw, 0)


def test_computation_follows_footnote_2_for_the_blocks_that_fit():
    measurements = computation(GpuProfile(**GPU, memory_gb=7))  # three blocks of 2 GB
    block_s = 0.002 + 3 / 50e3 * 100
    assert by_coordinate(measurements, "prefill_by_blocks_s") == pytest.approx(
        {1: block_s, 2: 2 * block_s, 3: 3 * block_s}
    )
    assert by_coordinate(measurements, "prefill_by_input_s") == pytest.approx({10: 0.002 + 6e-4, 50: 0.002 + 3e-3})
    assert by_coordinate(measurements, "decode_by_output_s") == pytest.approx({1: 0, 4: 3 * 0.5 / 200})
    assert (
        len(by_coordinate(computation(GpuProfile(**GPU, memory_gb=1000)), "prefill_by_blocks_s")) == MODEL.block_count
    )


def test_fit_to_measurements_replaces_footnote_2_and_is_reported():
    measurements = computation(GpuProfile(**GPU, memory_gb=7, measured_block_s={"example": [0.004, 1e-5, 3e-3]}))
    assert by_coordinate(measurements, "prefill_by_input_s") == pytest.approx({10: 0.0041, 50: 0.0045})
    assert [value for name, value, _ in measurements if name == "measured_fit"] == [1]


POINTS = {
    "prefill": [[1, 100, 0.005, 0.004, 0.007], [1, 200, 0.009, 0.008, 0.02], [2, 100, 0.011, 0.01, 0.012]],
    "decode": [[1, 100, 0.003, 0.002, 0.004], [2, 100, 0.006, 0.005, 0.007]],
    "relay": [[1, 2048, 3e-4, 2e-4, 4e-4]],
}
MEASURED = {"measured_block_s": {"example": [0.004, 1e-5, 3e-3]}, "measured_relay_s": {"example": [2e-4, 1e-8]}}


def test_measured_points_are_reported_with_their_spread_beside_the_line():
    gpu = GpuProfile(**GPU, memory_gb=7, measured_points={"example": POINTS}, **MEASURED)
    measurements = computation(gpu)  # prompts have 100 tokens on average
    for index, name in enumerate(("measured_s", "p10_s", "p90_s"), start=2):
        assert by_coordinate(measurements, f"prefill_by_input_{name}") == {
            100: POINTS["prefill"][0][index],
            200: POINTS["prefill"][1][index],
        }
        assert by_coordinate(measurements, f"prefill_by_blocks_{name}") == {
            1: POINTS["prefill"][0][index],
            2: POINTS["prefill"][2][index],
        }
        assert by_coordinate(measurements, f"decode_by_context_{name}") == {100: POINTS["decode"][0][index]}
    assert by_coordinate(measurements, "decode_by_context_s") == {100: 3e-3}
    small = computation(GpuProfile(**GPU, memory_gb=2, measured_points={"example": POINTS}, **MEASURED))
    assert set(by_coordinate(small, "prefill_by_blocks_measured_s")) == {1}  # two blocks do not fit
    other = computation(GpuProfile(**GPU, memory_gb=7, measured_points={"another": POINTS}))
    assert not [name for name, _, _ in other if "measured_s" in name or "context" in name]


def test_measured_relay_is_reported_beside_its_line():
    gpu = GpuProfile(**GPU, memory_gb=7, measured_points={"example": POINTS}, **MEASURED)
    servers = Servers(np.ones(2), np.ones((2, 3)), np.ones(2))
    draw = SimpleNamespace(system=SimpleNamespace(servers=servers), case=SimpleNamespace(fitted_model=MODEL))
    measurements = CommunicationProfile([1], [2], gpu)(draw, 0)
    assert by_coordinate(measurements, "relay_by_tokens_s") == pytest.approx({1: 2e-4 + 2048e-8})
    assert by_coordinate(measurements, "relay_by_tokens_p90_s") == {1: 4e-4}


def measured(*overrides, **axes):
    return results_of(rows_of("experiment=fig4_measured", *overrides).assign(point="a", **axes))


def test_figure_shows_measured_points_if_there_are_any():
    def bars(*overrides):
        figure = fig4.draw(measured(*overrides, profile="x"), Labels())
        plt.close(figure)
        return [len(axes.containers) for axes in figure.axes]

    assert bars() == [1, 1, 0]
    assert bars("workload.input_tokens=100") == [0, 1, 0]  # no prompt of that length was measured
    assert bars("model.name=unmeasured") == [0, 0, 0]


def test_figure_notes_unmeasured_models_and_has_no_empty_panel():
    def titles_and_note(*overrides):
        figure = fig4_measured.draw(measured(*overrides, model="x"), Labels())
        plt.close(figure)
        return [axes.get_title() for axes in figure.axes], figure.legends[0].get_title().get_text()

    blocks, _, context, _ = (panel[-1] for panel in fig4_measured.PANELS)
    titles, note = titles_and_note()
    assert (len(titles), note) == (3, NOTE)  # the relay belongs to the other evaluator
    modelled, note = titles_and_note("model.name=unmeasured")
    assert note == "model of footnote 2, without measured points: x"
    assert blocks in modelled
    assert context not in modelled
    relay, note = titles_and_note("evaluator=communication_profile")
    assert (len(relay), note) == (1, NOTE)
    with pytest.raises(KeyError, match="relay_by_tokens"):  # the error names the metric that the points lack
        titles_and_note("evaluator=communication_profile", "model.name=unmeasured")


def test_communication_is_the_mean_of_the_servers_linear_times():
    communication_s = np.array([[0.1, 0.001, 0.02], [0.3, 0.003, 0.06]])
    servers = Servers(np.ones(2), communication_s, np.ones(2))
    draw = SimpleNamespace(system=SimpleNamespace(servers=servers), case=SimpleNamespace(fitted_model=MODEL))
    measurements = CommunicationProfile(input_tokens=[1, 100], output_tokens=[2, 9])(draw, 0)
    whole_s = {(n, m): (communication_s @ (1, n, m - 1)).mean() for n in (1, 100) for m in (1, 2, 9)}
    first = by_coordinate(measurements, "first_token_communication_s")
    further = by_coordinate(measurements, "further_token_communication_s")
    assert first == pytest.approx({n: whole_s[n, 1] for n in (1, 100)})
    assert further == pytest.approx({m: (whole_s[1, m] - whole_s[1, 1]) / (m - 1) for m in (2, 9)})


def test_overheads_of_both_sets_of_constants_differ_on_the_same_clusters():
    """Compare the constants of the paper with those of the published code.

    In the paper every token takes a round trip and 18 ms; in the published code there are 50 ms once and nothing after
    the first token.
    """
    paper, code = (rows_of("experiment=fig5", "data=embedded", f"constants={name}") for name in ("paper", "simulator"))
    first, further = "first_token_communication_s", "further_token_communication_s"
    assert line(paper, first)[2000] == pytest.approx(line(paper, further)[20])
    assert line(code, first)[2000] - line(code, further)[20] == pytest.approx(0.050)
    assert line(paper, further)[20] - line(code, further)[20] == pytest.approx(0.018)


def service_times(coefficients_s, jobs, **settings):
    chains = SimpleNamespace(job_coefficients_s=np.asarray(coefficients_s))
    draw = SimpleNamespace(layout=SimpleNamespace(composition=lambda: chains), jobs=lambda replication: jobs)
    return ServiceTimesEvaluator(**settings)(draw, 0)


def test_service_times_of_requests_are_linear_in_their_lengths():
    lengths = np.array([[100.0, 0], [200, 5], [1000, 50]])
    jobs = Jobs(np.arange(3.0), np.ones(3), lengths, np.zeros(3))
    coefficients_s = [[1.0, 0.01, 0.1], [2, 0.02, 0.3]]
    times = service_times(coefficients_s, jobs, shortest_s=0.5, longest_s=50, points=3)  # at 0.5, 5 and 50 s
    first_s, second_s = [2, 3.5, 16], [4, 7.5, 37]
    means, cvs = by_coordinate(times, "service_time_mean_s"), by_coordinate(times, "service_time_cv")
    assert means == pytest.approx({1: np.mean(first_s), 2: np.mean(second_s)})  # only two of five chains exist
    assert cvs == pytest.approx({k: np.std(s, ddof=1) / np.mean(s) for k, s in ((1, first_s), (2, second_s))})
    assert list(by_coordinate(times, "chain1_service_cdf").values()) == pytest.approx([0, 2 / 3, 1])
    assert list(by_coordinate(times, "chain2_service_cdf").values()) == pytest.approx([0, 1 / 3, 1])
    assert list(by_coordinate(times, "chain1_service_cdf")) == pytest.approx([0.5, 5, 50])


def test_exponential_sizes_have_the_variability_and_distribution_of_an_exponential():
    """Allow for a variance of 1/n of the sample's standard deviation over mean.

    It follows from the delta method: (9 - 1)/4 + 1 - 2 = 1.
    """
    n = 40_000
    size = np.random.default_rng(7).standard_exponential(n)
    jobs = Jobs(np.arange(float(n)), size, np.array([[2000.0, 19]]), np.zeros(n))
    times = service_times([[1.0, 0.001, 0.1]], jobs)
    mean_s = 1 + 2 + 1.9
    assert by_coordinate(times, "service_time_cv")[1] == pytest.approx(1, abs=4 / np.sqrt(n))
    for time_s, share in by_coordinate(times, "chain1_service_cdf").items():
        expected = -np.expm1(-time_s / mean_s)
        assert share == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / n) + 1 / n)


def test_only_the_fastest_chains_are_measured_in_ascending_order():
    rows = rows_of("experiment=fig7", "data=embedded", "evaluator=service_times", "workload.job_count=300")
    means = line(rows, "service_time_mean_s")
    assert means.index.tolist() == [1, 2, 3, 4, 5]
    assert (np.diff(means) >= 0).all()  # chains were sorted by the recorded lengths


def test_service_times_on_chains_are_those_of_the_simulator():
    coefficients_s = np.array([[1.0, 0.01, 0.1], [2, 0.02, 0.3]])
    jobs = Jobs(np.zeros(2), np.array([1.0, 2]), np.array([[10.0, 1], [20, 2]]), np.zeros(2))
    assert service_times_s(coefficients_s, jobs) == pytest.approx(np.array([[1.2, 2.8], [2.5, 6.0]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CommunicationProfile([10], [1, 5]), "output_tokens = [1, 5]: must be above 1"),
        (lambda: CommunicationProfile([], [5]), "input_tokens = []: give at least one length"),
        (lambda: ComputationProfile(GpuProfile(**GPU, memory_gb=1), [0], [5]), "input_tokens = 0: must be a whole"),
        (lambda: ServiceTimesEvaluator(chain_count=0), "chain_count = 0: must be a whole number of at least 1"),
        (lambda: ServiceTimesEvaluator(shortest_s=9, longest_s=3), "longest_s = 3: must be above shortest_s = 9"),
    ],
)
def test_invalid_settings_are_refused_in_one_sentence(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("names", [choices("dispatch"), choices("algorithm")])
def test_curves_of_one_figure_differ_in_colour_and_in_style(names):
    looks = [LOOKS[name] for name in names if name in LOOKS]  # a variant without a look is never drawn as a curve
    assert len({look["color"] for look in looks}) == len(looks)
    assert len({(look["marker"], str(look["linestyle"])) for look in looks}) == len(looks)
