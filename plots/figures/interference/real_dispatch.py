"""Dispatch policies in real runs: mean response and first token of the same requests under each policy.

Beside the real runs are the predictions. A thin line joins the policies in one draw. A title has the mean difference
between the policies over draws, with its 95 % interval.
"""

from collections.abc import Sequence
from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing import comparison_card
from plots.drawing.pairs import paired
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.predicted import Kind, cell_axes, cell_words, kinds_in, with_kinds
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means

POLICY = "dispatch"
METRICS = {"response_mean_s": "mean response time", "first_token_mean_s": "mean time to first token"}
OFFSET = 0.06  # between the kinds of numbers of one policy
MARGIN = 0.35  # beside the first and the last policy
NOTE = "thin lines: the same requests, in {draws} draws"


def card(results: Results, labels: Labels) -> str:
    """Return the card of the runs, with the differences between the policies."""
    known = with_kinds(results.rows)
    kinds, policies = kinds_in(known, labels), list(known[POLICY].unique())
    lines = [f"# {labels(POLICY, policies[-1])} less {labels(POLICY, policies[0])}", ""]
    for cell in _cells(results._replace(rows=known)):
        for metric, name in METRICS.items():
            words = _differences(cell.rows[cell.rows["metric"] == metric], kinds, policies)
            lines.append(f"- {', '.join([*cell_words(cell.setting, known, labels), name])}: {', '.join(words)}")
    return "\n".join([*lines, "", comparison_card.card(results, labels)])


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a line of panels for each cell, and a column for each metric."""
    known = with_kinds(results.rows)
    kinds, policies = kinds_in(known, labels), list(known[POLICY].unique())
    cells = _cells(results._replace(rows=known))
    figure, frames = new_figure(len(METRICS), len(cells))
    for axes, (cell, metric) in zip(frames, product(cells, METRICS), strict=True):
        rows = cell.rows[cell.rows["metric"] == metric]
        for number, kind in enumerate(kinds):
            _means(axes, rows[rows["kind"] == kind.name], kind, policies, OFFSET * number)
        words = [*cell_words(cell.setting, known, labels), *_differences(rows, kinds, policies)]
        axes.set_xticks(range(len(policies)), [labels(POLICY, policy) for policy in policies])
        axes.set(xlabel="dispatch policy", ylabel=f"{METRICS[metric]} (s)", title="\n".join(words))
        axes.set(xlim=(-MARGIN, len(policies) - 1 + MARGIN), ylim=(0, None))
    legend_below(figure, frames, len(kinds), NOTE.format(draws=draws_in(results.points)))
    return figure


def _cells(results: Results) -> list[Panel]:
    """Return the cells, which have several policies each."""
    return panels_over(results, [axis for axis in cell_axes(results.rows) if axis != POLICY])


def _means(axes: Axes, rows: pd.DataFrame, kind: Kind, policies: list[str], offset: float) -> None:
    """Draw the means of a kind over policies, and a line per draw."""
    coordinates = {policy: number + offset for number, policy in enumerate(policies)}
    for _, of_draw in rows.groupby("draw"):
        values = of_draw.groupby(POLICY)["value"].mean()
        axes.plot(
            [coordinates[policy] for policy in values.index], values, color=kind.look["color"], alpha=0.25, lw=0.8
        )
    means = complete_means(rows, [POLICY])
    look = kind.look | {"linestyle": "none", "capsize": 2, "label": kind.label}
    axes.errorbar(means[POLICY].map(coordinates), means["mean"], means["half_width"].fillna(0.0), **look)


def _differences(rows: pd.DataFrame, kinds: Sequence[Kind], policies: Sequence[str]) -> list[str]:
    """Return the excess of the last policy over the first, by kind."""
    words = []
    for kind in kinds:
        first, last = (rows[(rows["kind"] == kind.name) & (rows[POLICY] == policies[end])] for end in (0, -1))
        pairs = paired(last, first, ["draw", "replication"])
        differences = pairs.assign(value=1e3 * (pairs["value"] - pairs["reference"])).drop(columns="reference")
        for difference in complete_means(differences, ["metric"]).to_dict("records"):
            interval = f" ± {difference['half_width']:.0f}" if difference["draws"] > 1 else ""
            words.append(f"{kind.label} {difference['mean']:+.0f}{interval} ms")
    return words
