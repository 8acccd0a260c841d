"""Expansion of the sweeper: points are those that Hydra itself would compose."""

import re

import pytest
from hydra.errors import HydraException

from store.disk.identity import identity_of
from sweep.errors import hydra_sentence
from system import InputError
from tests.support.project import case_of


@pytest.mark.parametrize(
    "overrides",
    [
        ("demand.per_s=0.5", "tuning.capacity=3"),
        ("network=european", "cluster.server_count=30", "cluster.fast_share=0.4"),
        ("constants=simulator", "constants.prefill_overhead_s=0.2", "network=european"),
        ("constants.fast_profile=a100_2g_20gb", "network=european"),  # read by a resolver, not only copied
        ("evaluator.quantiles=[0.5,0.9]", "+cluster.names=null"),
        ("experiment=fig6b", "data=embedded", "tuning=exact_percentile", "tuning.objective.q=0.99", "seed=7"),
        ("workload=mmpp", "workload.arrivals.rates_per_s=[1.0,0.5]", "case.target_load=0.5"),
    ],
)
def test_a_point_is_what_hydra_composes(expand, overrides):
    arguments = [text for text in overrides if not text.startswith(("experiment=", "data="))]
    names = [text for text in overrides if text.startswith(("experiment=", "data="))]
    expected = case_of(*names, *(text.replace("seed=", "case.seed=") for text in arguments))
    (sweep,) = expand([*names, *(text.replace("seed=", "case.seed=") for text in arguments)])
    wanted = {"demand.load": "0.7", "constants": "paper"}
    points = [point for point in sweep.points if not names or wanted.items() <= point.axes.items()]
    assert len(points) == 1
    if not names:
        assert points[0].case == expected
        assert points[0].identity == identity_of(expected).point
    else:
        assert points[0].case["algorithm"] == expected["algorithm"]


def test_axes_are_a_grid_with_their_values(expand):
    (sweep,) = expand(["demand.per_s=0.1,0.2", "tuning.capacity=range(1,4)", "network=european"])
    assert sweep.axes == ["demand.per_s", "tuning.capacity"]
    assert [tuple(point.axes.values()) for point in sweep.points] == [
        (rate, c) for rate in ("0.1", "0.2") for c in ("1", "2", "3")
    ]
    assert len({point.identity for point in sweep.points}) == 6
    assert [point.case["demand"]["per_s"] for point in sweep.points] == [0.1] * 3 + [0.2] * 3


def test_the_command_line_replaces_and_fixes_an_experiments_axes(expand):
    (sweep,) = expand(
        ["experiment=fig3b", "data=embedded", "constants=paper", "demand.load=0.3,0.5", "evaluator=exact"]
    )
    assert sweep.experiment == "fig3b_embedded"
    assert sweep.axes == ["constants", "demand.load", "evaluator"]  # set to one value it is still a column
    assert {point.axes["evaluator"] for point in sweep.points} == {"exact"}
    assert [point.case["demand"]["load"] for point in sweep.points] == [0.3, 0.5]


def test_words_of_a_sweep_make_its_points_again(expand):
    few = ("data=embedded", "draws=2", "store=x", "precision=quick", "demand.load=0.3,0.5", "case.seed=7")
    (sweep,) = expand(["experiment=fig3b", "evaluator=exact", *few])
    (again,) = expand([*sweep.words, f"draws={sweep.draws}"])
    assert again == sweep
    assert not {"draws=2", "store=x"} & set(sweep.words)


def test_an_experiment_may_be_several_grids_over_the_same_keys(expand):
    (sweep,) = expand(
        ["experiment=fig8", "data=embedded", "constants=paper", "cluster.server_count=20", "cluster.fast_share=0.2"]
    )
    chosen = [(point.axes["algorithm"], point.axes["evaluator"]) for point in sweep.points]
    simulated = [(name, "simulation") for name in ("petals", "bprr", "proposed", "proposed_tuned")]
    assert chosen == [*simulated, ("proposed", "exact"), ("proposed", "floor")]


def test_a_grid_with_a_single_value_is_kept_only_if_the_command_gives_it(expand):
    few = ("constants=paper", "cluster.fast_share=0.1")
    (all_sizes,) = expand(
        ["experiment=fig8", "data=embedded", *few, "algorithm=bprr,proposed", "cluster.server_count=10,20"]
    )
    chosen = [(point.axes["algorithm"], point.axes["evaluator"]) for point in all_sizes.points]
    assert chosen.count(("proposed", "floor")) == 2
    assert ("bprr", "exact") not in chosen
    (capped,) = expand(
        ["experiment=fig8", "data=embedded", *few, "algorithm=petals_block_cap,bprr", "cluster.server_count=10"]
    )
    assert [point.axes["algorithm"] for point in capped.points] == ["petals_block_cap", "bprr"]


def test_values_that_are_new_beside_known_ones_are_swept_too(expand):
    few = ("constants=paper", "cluster.fast_share=0", "evaluator.trials=5")
    (sweep,) = expand(["experiment=fig1", "data=embedded", *few, "placement=gbp_cr,whole_model"])
    assert {point.axes["placement"] for point in sweep.points} == {"gbp_cr", "whole_model"}
    points = [
        (point.axes["placement"], point.axes["cluster.server_count"], point.axes["demand.per_s"])
        for point in sweep.points
    ]
    assert len(set(points)) == len(points)
    declared = {("20", "0.2"), ("40", "0.5"), ("40", "1")}  # the sizes of all grids
    assert {tuple(size) for name, *size in points if name == "whole_model"} == declared


def test_an_axis_is_not_swept_in_a_grid_that_leaves_it_out(expand):
    (sweep,) = expand(["experiment=real_vs_predicted_trace", "data=embedded", "service=independent,steps"])
    services = {(point.axes["evaluator"], point.axes.get("service")) for point in sweep.points}
    assert services == {("replay", "independent"), ("replay", "steps"), ("runtime", None)}


def test_equal_points_of_several_grids_count_once(expand):
    few = ("constants=paper", "cluster.server_count=20", "cluster.fast_share=0.2")
    (sweep,) = expand(["experiment=fig8", "data=embedded", *few, "algorithm=proposed,bprr", "evaluator=simulation"])
    assert [point.axes["algorithm"] for point in sweep.points] == ["proposed", "bprr"]


def test_values_that_are_new_to_all_grids_replace_declared_ones(expand):
    (sweep,) = expand(
        ["experiment=fig1", "data=embedded", "constants=paper", "cluster.fast_share=0", "evaluator.trials=5"]
    )
    assert {point.axes["evaluator.trials"] for point in sweep.points} == {"5"}
    assert {point.axes["placement"] for point in sweep.points} == {"gbp_cr", "random_feasible"}


def test_grids_with_other_keys_are_refused(expand):
    with pytest.raises(InputError, match="every grid must have the same keys"):
        expand(["network=european", "experiment.axes=[{demand.per_s:[0.1]},{cluster.server_count:[20]}]"])


def test_fixed_overrides_are_kept_with_the_sweep(expand):
    (sweep,) = expand(["experiment=fig3b", "data=embedded", "cluster.server_count=40", "draws=3", "evaluator=exact"])
    assert sweep.fixed == ["cluster.server_count=40"]  # no number follows from draws; evaluator is an axis


def test_several_experiments_are_several_sweeps(expand):
    sweeps = expand(["experiment=fig3b,fig7", "data=embedded", "draws=3"])
    assert [sweep.experiment for sweep in sweeps] == ["fig3b_embedded", "fig7_embedded"]
    assert [sweep.draws for sweep in sweeps] == [3, 3]
    assert [len(sweep.points) for sweep in sweeps] == [54, 5]


def test_figures_share_points(expand):
    one, other = *expand(["experiment=fig3b", "data=embedded"]), *expand(["experiment=fig3b", "network=european"])
    assert {point.identity for point in one.points} == {point.identity for point in other.points}


def test_precision_is_no_part_of_a_point(expand):
    few, many = (expand(["network=european", f"draws={draws}"])[0].points for draws in (2, 40))
    assert few[0].identity == many[0].identity


def test_an_edited_trace_makes_other_points(expand, tmp_path):
    file = tmp_path / "trace.csv"

    def identity():
        command = ["cluster=typed", "workload=trace", f"workload.file={file}", "workload.time_unit=ms"]
        (sweep,) = expand(command)
        return sweep.points[0].identity

    file.write_text("arrival_s,input_tokens,output_tokens\n1,2,3\n4,5,6\n")
    first = identity()
    assert identity() == first
    file.write_text("arrival_s,input_tokens,output_tokens\n1,2,3\n4,5,7\n")
    assert identity() != first


def test_a_changed_server_of_a_list_makes_other_points(expand, tmp_path):
    file = tmp_path / "list.yaml"
    identities = set()
    for gpu in ("t4", "l4", "t4"):
        file.write_text(f"servers: [{{name: a, gpu: {gpu}, count: 9, rtt_ms: 3}}]")
        (sweep,) = expand(["cluster=inventory", f"cluster.file={file}"])
        identities.add(sweep.points[0].identity)
    assert len(identities) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster=typed", "network=european,local"], r"network = european,local: nothing uses it, as cluster=typed"),
        (
            ["cluster=inventory", "cluster.file=planner/examples/lab.yaml", "model=tiny_llama", "constants=paper"],
            r"constants = paper: nothing uses it, as cluster=inventory has values of its own; leave constants out",
        ),
    ],
)
def test_what_a_listed_cluster_has_no_use_for_is_refused(expand, words, message):
    with pytest.raises(InputError, match=message):
        expand(words)


def test_a_setting_for_another_workload_is_refused_until_it_is_left_out(expand, tmp_path):
    (tmp_path / "a.csv").write_text("arrival_s,input_tokens,output_tokens\n1,2,3\n4,5,6\n")
    command = ["experiment=fig8_load", "data=embedded", "workload=trace", f"workload.file={tmp_path / 'a.csv'}"]
    words = [*command, "demand.load=0.5", "algorithm=proposed", "evaluator=simulation"]
    message = r"workload.job_count = 10000: the experiment sets it, but workload=trace has no such key; add ~workload"
    with pytest.raises(InputError, match=message):
        expand(words)
    (sweep,) = expand([*words, "~workload.job_count"])
    assert all("job_count" not in point.case["workload"] for point in sweep.points)


def test_constants_and_networks_that_are_used_are_accepted(expand):
    (sweep,) = expand(["cluster=typed,a100_slices", "network=european", "constants=simulator"])
    assert len(sweep.points) == 2


def test_axes_of_an_experiment_can_be_replaced_for_a_listed_cluster(expand):
    axes = "experiment.axes=[{algorithm: [petals, proposed]}]"
    (sweep,) = expand(["experiment=fig8", "cluster=typed", axes])
    assert [point.axes for point in sweep.points] == [{"algorithm": "petals"}, {"algorithm": "proposed"}]


@pytest.mark.parametrize("override", ["demand.nonsense=1", "nonsense=1,2", "workload.job_count.x=1"])
def test_an_unknown_key_is_named(expand, override):
    with pytest.raises((InputError, HydraException)) as error:
        expand([override])
    key = override.split("=")[0]
    assert re.match(
        rf".*{key}.*: there is no such key; `python run.py --cfg job` shows all$", hydra_sentence(error.value)
    )


def test_points_that_the_experiment_declares_are_marked(expand):
    def declared(*words):
        (sweep,) = expand(["experiment=fig3b", "data=embedded", *words])
        return {tuple(point.axes.values()): point.is_declared for point in sweep.points}

    assert set(declared().values()) == {True}
    assert set(declared("constants=paper", "evaluator=exact").values()) == {True}
    assert {load: known for (_, load, _), known in declared("constants=paper", "demand.load=0.3,0.31").items()} == {
        "0.3": True,
        "0.31": False,
    }
    assert set(declared("workload=hyperexponential").values()) == {False}
    by_seed = declared("constants=paper", "demand.load=0.3", "evaluator=exact", "case.seed=2026,2027")
    assert {seed: known for (*_, seed), known in by_seed.items()} == {"2026": True, "2027": False}
