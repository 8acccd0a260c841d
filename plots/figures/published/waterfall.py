"""Where the gains of the published Fig. 8 come from: steps from published to fair choices, and the share of each."""

from collections.abc import Iterable, Mapping
from itertools import chain, combinations
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import NONE, texts
from plots.drawing.panels import draws_in
from plots.drawing.shapley import shapley_shares
from plots.drawing.style import COLOURS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results, axes_of
from store.tables.statistics import complete_means

CELL = ["cluster.server_count", "cluster.fast_share"]
LEFT_OUT = (10, 0.1)  # by the paper, as its PETALS cannot place the model there
PROPOSED_AXES = ("placement", "allocation", "tuning", "dispatch")
Setting = Mapping[str, str]  # values by axis
Cuts = pd.Series  # by cell, in per cent


class Choice(NamedTuple):
    """A published choice for a baseline, and the fair one."""

    axis: str
    published: str
    fair: str
    words: str  # of the step from the one to the other
    name: str  # of the published choice


class Baseline(NamedTuple):
    """A baseline with its choices, in the order of the steps."""

    name: str
    algorithm: str
    choices: tuple[Choice, ...]


PLANNED = Choice(
    "algorithm.waiting", "planned", "fcfs", "a job starts as soon as there is room", "starts no earlier than planned"
)
BELIEVED = Choice(
    "algorithm.occupancy", "believed", "present", "the router knows who is present", "router goes by estimated ends"
)
BPRR = Baseline(
    "BPRR",
    "bprr_published_code",
    (
        PLANNED,
        BELIEVED,
        Choice(
            "algorithm.wait_estimate",
            "mean_over_present",
            "order_statistic",
            "waits by order statistics",
            "waits by mean over present",
        ),
        Choice("algorithm.session_rule", "published_code", "prior_paper", "R by BPRR's own rule", "R by a rough guess"),
    ),
)
PETALS = Baseline(
    "PETALS",
    "petals_published_code",
    (
        Choice("algorithm.placement.small_server_block_cap", "4", "null", "no cap of 4 blocks", "cap of 4 blocks"),
        Choice(
            "algorithm.placement.block_selection",
            "window_sum",
            "lexicographic",
            "windows by their weakest block",
            "windows by their sum",
        ),
        BELIEVED._replace(published="believed_without_wait"),
        PLANNED,
    ),
)
_PUBLISHED = ("gbp_cr_published_code", "gca_published_code", "published_code", "jffc_published_code")
PUBLISHED: Setting = {"algorithm": "proposed", **dict(zip(PROPOSED_AXES, _PUBLISHED, strict=True))}
EXACT = {**PUBLISHED, "dispatch": "jffc"}
PRINTED = {**EXACT, "placement": "gbp_cr", "allocation": "gca", "tuning": "as_published"}
# Steps of the proposed scheme, once BPRR is fair. The last two replace the published choice of c.
PROPOSED_STEPS: tuple[tuple[str, Setting], ...] = (
    ("+ JFFC acts at every event", EXACT),
    ("+ GBP-CR and GCA as printed", PRINTED),
    ("… with c = 7 instead", {**PRINTED, "tuning": "fixed"}),
    ("… with c by Theorem 4's lower bound", {**PRINTED, "algorithm": "proposed_tuned", "tuning": NONE}),
)


class Step(NamedTuple):
    """A bar: the words of a step, and the cuts in all cells after it."""

    words: str
    cuts: Cuts


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a column for BPRR and one for PETALS.

    Above are the steps: the mean cut of the mean response time over cells, and the range of the cells. Below is the
    share of each choice in the way from all fair choices to all published ones: of the mean and of the largest cut.
    """
    means = _means(results)
    figure, frames = new_figure(2, 2, heights=(2, 1), size_in=(13, 6))
    for above, below, baseline in zip(frames[:2], frames[2:], (BPRR, PETALS), strict=True):
        fair = frozenset(choice.axis for choice in baseline.choices)
        cuts = {chosen: _cuts(means, PUBLISHED, _setting(baseline, chosen)) for chosen in _subsets(fair)}
        steps = list(_steps(baseline, cuts))
        if baseline is BPRR:
            steps += [Step(words, _cuts(means, own, _setting(BPRR, frozenset()))) for words, own in PROPOSED_STEPS]
        _draw_steps(above, steps, f"cut of the mean response time against {baseline.name}")
        _draw_shares(below, baseline, cuts)
    cells = len(next(iter(cuts.values())))
    note = f"{cells} cells, {draws_in(results.points)} runs each; bars: mean over cells; lines: least to most"
    legend_below(figure, frames, 2, note)
    return figure


def _means(results: Results) -> pd.DataFrame:
    """Return mean response times by cell and setting.

    The cell that the paper leaves out is not among them.
    """
    rows = results.rows[results.rows["metric"] == "response_mean_s"]
    lacking = [axis for axis in (*CELL, "algorithm", *PROPOSED_AXES) if axis not in rows]
    if lacking:
        raise KeyError(lacking[0])
    shown = rows[~rows[CELL].eq(list(LEFT_OUT)).all(axis="columns")]
    axes = [axis for axis in axes_of(results.points) if axis in rows and axis not in CELL]
    return complete_means(shown.assign(**{axis: texts(shown[axis]) for axis in axes}), [*CELL, *axes])


def _setting(baseline: Baseline, published: frozenset[str]) -> Setting:
    """Return the setting of a baseline that has the published choices of these axes."""
    chosen = {choice.axis: choice.published if choice.axis in published else choice.fair for choice in baseline.choices}
    return {"algorithm": baseline.algorithm, **chosen}


def _cuts(means: pd.DataFrame, ours: Setting, theirs: Setting) -> Cuts:
    """Return the cut 1 - ours/theirs by cell, in per cent.

    It is that of the means over runs, as the paper takes it.
    """
    return 100 * (1 - _of_setting(means, ours) / _of_setting(means, theirs))


def _of_setting(means: pd.DataFrame, setting: Setting) -> pd.Series:
    """Return the means of a setting by cell.

    Other axes do not apply to it. Raises `KeyError` if there are none.
    """
    axes = [str(axis) for axis in means if axis not in (*CELL, "mean", "half_width", "draws")]
    chosen = means[means[axes].eq([setting.get(axis, NONE) for axis in axes]).all(axis="columns")]
    if chosen.empty:
        raise KeyError(" ".join(f"{axis}={value}" for axis, value in setting.items()))
    return chosen.set_index(CELL)["mean"]


def _subsets(axes: frozenset[str]) -> Iterable[frozenset[str]]:
    return map(frozenset, chain.from_iterable(combinations(sorted(axes), size) for size in range(len(axes) + 1)))


def _steps(baseline: Baseline, cuts: Mapping[frozenset[str], Cuts]) -> Iterable[Step]:
    """Yield the steps from all published choices to all fair ones."""
    published = frozenset(choice.axis for choice in baseline.choices)
    yield Step("as published", cuts[published])
    for choice in baseline.choices:
        published -= {choice.axis}
        yield Step(f"+ {choice.words}", cuts[published])


def _draw_steps(axes: Axes, steps: list[Step], title: str) -> None:
    """Draw a bar for the mean cut after each step.

    A line on it goes from the least to the largest cut of a cell.
    """
    for line, (_, cuts) in enumerate(steps):
        axes.barh(line, cuts.mean(), 0.6, color=COLOURS[0], alpha=0.7)
        axes.plot([cuts.min(), cuts.max()], [line, line], color="black", linewidth=1.2, marker="|", markersize=8)
        text = f"{cuts.mean():.1f} ({cuts.min():.1f} to {cuts.max():.1f})"
        axes.annotate(text, (max(cuts.max(), 0), line), (6, 0), textcoords="offset points", va="center", size="small")
    axes.set_yticks(range(len(steps)), [step.words for step in steps])
    axes.axvline(0, color="black", linewidth=0.8)
    most = max(cuts.max() for _, cuts in steps)
    least = min(min(cuts.min() for _, cuts in steps), 0)
    axes.set(xlabel="cut (%)", ylabel="step", title=title, xlim=(least - 0.03 * most, 1.45 * most))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _draw_shares(axes: Axes, baseline: Baseline, cuts: Mapping[frozenset[str], Cuts]) -> None:
    """Draw the shares of the choices in the mean and in the largest cut."""
    of_mean = shapley_shares({chosen: float(by_cell.mean()) for chosen, by_cell in cuts.items()})
    of_largest = shapley_shares({chosen: float(by_cell.max()) for chosen, by_cell in cuts.items()})
    looks = (("of the mean cut", of_mean, COLOURS[0], -0.18), ("of the largest cut", of_largest, COLOURS[1], 0.18))
    for label, shares, colour, offset in looks:
        for line, choice in enumerate(baseline.choices):
            share = shares[choice.axis]
            axes.barh(line + offset, share, 0.34, color=colour, label=label if line == 0 else None)
            beside = (max(share, 0), line + offset)
            axes.annotate(f"{share:.1f}", beside, (4, 0), textcoords="offset points", va="center", size="small")
    axes.set_yticks(range(len(baseline.choices)), [choice.name for choice in baseline.choices])
    axes.set(
        xlabel="Shapley share of the cut (%)",
        ylabel="published choice",
        title=f"what the published choices for {baseline.name} add",
    )
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
