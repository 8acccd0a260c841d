"""Every experiment that needs no download, run at a small size and drawn, with checks of its figure."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.drawing.style import over_draws
from plots.files import module_of
from plots.outputs import outputs_of
from store.disk.store import EMBEDDED_DATA, Store
from store.tables.labels import labels_in
from store.tables.reading import load_results
from tests.support.project import choices, script

SMALLER = {
    "published_fig2": (),
    "published_fig3a": ("demand.load=0.3,0.7", "workload.job_count=1000"),
    "published_fig3b": ("demand.load=0.3,0.7", "workload.job_count=2000"),
    "published_fig6a": ("tuning.capacity=2,7,8", "workload.job_count=1000"),
    "published_fig6b": ("demand.load=0.1,0.7", "tuning.largest=9"),
    "published_fig8": ("cluster.server_count=20,30", "cluster.fast_share=0.2"),
    "waterfall": ("cluster.server_count=20", "cluster.fast_share=0.2,0.3"),
    "fig8": (
        "cluster.server_count=20,30",
        "constants=paper",
        "cluster.fast_share=0.2",
        "workload.job_count=500",
    ),
    "fig8_load": ("demand.load=0.2,0.7", "constants=paper", "workload.job_count=500"),
    "fig1": ("evaluator.trials=5",),
    "fig2": (),
    "fig3a": ("demand.load=0.3,0.8", "workload.job_count=1000"),
    "fig3b": ("demand.load=0.3,0.9", "workload.job_count=2000"),
    "fig4": (),
    "fig4_measured": (),
    "fig5": (),
    "fig6a": ("tuning.capacity=2,7,8", "workload.job_count=1000"),
    "fig6b": ("demand.load=0.3,0.7", "tuning.largest=9"),
    "fig7": (),
    "azure_replay": ("workload.job_count=500",),
    "real_vs_predicted": ("evaluator=replay,exact", "workload.job_count=100"),  # without real runs
    "model_limit": ("evaluator=replay", "workload.job_count=100"),
    "real_vs_predicted_trace": ("evaluator=replay", "workload.job_count=100"),
    "real_vs_steps": ("evaluator=replay", "workload.job_count=50"),
    "real_dispatch": ("evaluator=replay", "workload.job_count=50"),
    "engines": ("evaluator=replay,interference", "workload.job_count=50"),
    "real_vs_predicted_h200": ("evaluator=replay", "workload.job_count=50"),
    "interference_capacity": ("tuning.capacity=2,7", "workload.job_count=600"),
    "interference_response": ("demand.per_s=0.14,0.84", "tuning.capacity=2,7", "workload.job_count=1200"),
    "interference_chunks": (
        "service=steps,lockstep",
        "demand.per_s=0.14,0.84",
        "workload.job_count=1200",
    ),
    "interference_accuracy": ("tuning.capacity=1,8", "model=llama2_7b", "workload.job_count=600"),
    "interference_dispatch": ("dispatch=jffc,least_work", "tuning.capacity=7,35", "workload.job_count=300"),
    "interference_dispatch_trace": ("dispatch=jffc,least_work", "algorithm=jffc_only", "workload.job_count=60"),
    "exact_trust": ("demand.load=0.3,0.7", "workload.job_count=1000"),
    "interference_best_c": (
        "demand.load=0.3,0.6",
        "tuning.largest=4",
        "workload.job_count=1200",
    ),
    "scale": ("cluster.server_count=12,15,18", "workload.job_count=300", "evaluator.repetitions=1"),
    "helix": (
        "cluster=helix_single24",
        "model=llama1_30b",
        "algorithm=separate,swarm_chains",
        "demand.per_s=0.1,0.25",
        "workload.job_count=60",
        "evaluator=simulation,maxflow,planning",
    ),
    "helix_published": (
        *("cluster=helix_single24", "cluster.hosting=stated", "model=llama1_30b", "demand.per_s=0.1"),
        *("algorithm.file=helix_single24_30b_swarm,helix_single24_30b_helix", "evaluator=published,maxflow"),
    ),
    "optimality": ("cluster=mixed", "cluster.server_count=24", "demand.load=0.5"),
    "optimality_robustness": ("workload=poisson_constant,gamma", "demand.load=0.5", "workload.job_count=500"),
    "table1": ("workload.job_count=100",),
    "table1_steps": ("workload.job_count=60", "demand.per_s=1.6,2.4,2.57", "algorithm=jffc_only,proposed"),
}


@pytest.fixture(scope="module", params=choices("experiment"))
def drawn(request, tmp_path_factory):
    """Return an experiment's name, rows, figure folder and labels."""
    store, figures = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("figures")
    swept = script(
        *("run.py", "-m", f"experiment={request.param}", "data=embedded", "draws=2"),
        *("hydra/launcher=basic", f"store={store}"),
        *SMALLER[request.param],
    )
    assert swept.returncode == 0, swept.stderr
    name = f"{request.param}_embedded"
    (figure,) = outputs_of([name], store, figures, figures, None)
    made = figure.make()
    assert str(made.files[0]) in figure.lines(made, "")
    return made.files[0].with_suffix(""), load_results(name, store), labels_in(Store(store).experiment(name))


def name_of(path):
    """Return the experiment of a figure's file.

    Smaller sweeps than the declared ones are own ones.
    """
    return path.name.removesuffix("_own")


def test_each_experiment_is_drawn_in_three_formats(drawn):
    path, *_ = drawn
    for suffix in ("png", "pdf", "svg"):
        assert path.with_suffix(f".{suffix}").stat().st_size > 5000
    assert EMBEDDED_DATA in path.with_suffix(".svg").read_text()


def test_card_is_written_beside_the_figure_if_the_module_has_one(drawn):
    path, results, labels = drawn
    module, text = module_of(name_of(path)), path.with_suffix(".md")
    assert text.is_file() == hasattr(module, "card")
    assert not text.is_file() or text.read_text() == f"{module.card(results, labels)}\n{EMBEDDED_DATA}\n"


def test_axes_have_labels_with_units_and_curves_a_legend(drawn):
    path, results, labels = drawn
    figure = module_of(name_of(path)).draw(results, labels)
    # A table has no axes to label.
    curves = [axes for axes in figure.axes if axes.axison and (axes.lines or axes.containers)]
    texts = [text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)]
    assert curves or any(unit in text for text in texts for unit in ("(s)", "(%)"))
    for axes in curves:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        units = ("(s)", "(jobs)", "(MB)", "(%)", "(tokens/s)")
        assert any(unit in axes.get_xlabel() + axes.get_ylabel() for unit in units)
    assert figure.legends or all(axes.get_legend() for axes in curves)
    plt.close(figure)


def test_every_experiment_has_a_figure():
    assert all(module_of(name) for name in choices("experiment"))


def test_exact_curve_lies_between_the_bounds_and_simulation_on_it(drawn):
    path, results, _ = drawn
    if name_of(path) != "fig3b_embedded":
        return
    by = results.rows.groupby(["metric", "evaluator", "demand.load", "constants", "draw"])["value"].first()
    exact = by["response_mean_s", "exact"]
    assert (by["response_lower_s", "theorem4"] <= exact).all()
    assert (exact <= by["response_upper_s", "theorem4"]).all()
    low_load = by["response_mean_s", "simulation"][0.3] / exact[0.3] - 1
    assert (low_load.abs() < 4 / np.sqrt(1800)).all()  # the response is almost one exponential size, with a cv of 1


def test_no_mean_over_some_of_the_draws():
    rows = pd.DataFrame({"c": [2, 2, 10, 10, 3], "draw": [0, 1, 0, 1, 0], "value": [1.0, 3.0, 2.0, 2.0, 9.0]})
    rows = rows.assign(draws=2, status="ok")
    assert over_draws(rows, "c")["mean"].to_dict() == {2: 2.0, 10: 2.0}  # 3 lacks draw 1
    assert over_draws(rows.assign(draws=3), "c").empty  # no c has draw 2
    assert over_draws(rows.assign(status="unstable"), "c").empty
