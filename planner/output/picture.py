"""A picture of a plan: servers by blocks, and the chains through them."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from planner.output.rows import MOST_ROWS, Row, rows_of
from planner.results import Plan
from planner.words import digits
from system.composition import Chain
from system.words import counted

LABEL = 60  # characters of a row's label, since longer ones leave no room for bars
COLOURS = colormaps["Blues"]
# No blue, since the bars are blue.
CHAIN_COLOURS = ("tab:red", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:pink", "black", "tab:olive")


def plan_picture(plan: Plan) -> Figure:
    """Draw servers as bars and chains as lines.

    A bar spans the hosted blocks, and its colour shows the share of the cache in use. The width of a line shows the
    capacity of its chain.
    """
    rows = _rows(plan)
    figure = Figure(figsize=(9.0, 2.4 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    _draw_bars(axes, plan, rows)
    _draw_chains(axes, plan, rows)
    _label(axes, plan, rows)
    colours = ScalarMappable(Normalize(0, 1), COLOURS)
    figure.colorbar(colours, ax=axes, label="cache in use", shrink=min(1.0, 12 / len(rows)), pad=0.01)
    return figure


def _rows(plan: Plan) -> list[Row]:
    """Return the rows of the plan, or the busiest of too many."""
    rows = rows_of(plan)
    return rows if len(rows) <= MOST_ROWS else _busiest(rows)


def _busiest(rows: list[Row]) -> list[Row]:
    """Return the rows with the most cache in use, in their order.

    The title gives the number of servers left out.
    """
    kept = sorted(sorted(range(len(rows)), key=lambda n: -rows[n].utilisation * len(rows[n].servers))[:MOST_ROWS])
    return [rows[n] for n in kept]


def _cut(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"


def _draw_bars(axes: Axes, plan: Plan, rows: list[Row]) -> None:
    placement = plan.composition.placement
    first = [placement.first_block[row.servers[0]] for row in rows]
    blocks = [placement.block_count[row.servers[0]] for row in rows]
    colours = [COLOURS(row.utilisation) for row in rows]
    axes.barh(range(len(rows)), blocks, left=first, height=0.72, color=colours, edgecolor="black", linewidth=0.5)


def _chain_label(k: int, chain: Chain) -> str:
    """Return the legend of chain k: its capacity and mean service time."""
    return f"{k + 1}: capacity {chain.capacity}, {digits(chain.mean_service_s, 's')}"


def _draw_chains(axes: Axes, plan: Plan, rows: list[Row]) -> None:
    """Draw each chain along the blocks that it runs on each of its servers."""
    composition = plan.composition
    row_of = {j: n for n, row in enumerate(rows) for j in row.servers}
    widest, coloured = composition.capacity.max(), min(len(composition), len(CHAIN_COLOURS))
    for k in reversed(range(len(composition))):
        chain = composition.chain(k)
        if any(j not in row_of for j in chain.servers):
            continue
        named = k < len(CHAIN_COLOURS)
        ends = np.cumsum([0, *chain.blocks])
        offset = 0.6 * ((k + 0.5) / coloured - 0.5) if named else 0.0  # so that chains do not hide each other
        axes.plot(
            np.repeat(ends, 2)[1:-1],
            np.repeat([row_of[j] + offset for j in chain.servers], 2),
            color=CHAIN_COLOURS[k] if named else "0.45",
            linewidth=0.8 + 2.2 * chain.capacity / widest,
            alpha=0.95 if named else 0.25,
            label=_chain_label(k, chain) if named else None,
            zorder=4 if named else 3,
        )


def _label(axes: Axes, plan: Plan, rows: list[Row]) -> None:
    composition, prediction = plan.composition, plan.prediction
    axes.set_yticks(range(len(rows)), [_cut(row.label) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, composition.system.model.block_count)
    axes.set_xlabel("block")
    left_out = int((composition.placement.block_count > 0).sum()) - sum(len(row.servers) for row in rows)
    axes.set_title(
        f"{plan.inventory.model.name} at {digits(prediction.rate_per_s)} requests/s: mean "
        f"{digits(prediction.mean_s, 's')}, P95 {digits(prediction.quantiles_s[0.95], 's')}"
        + (f" ({counted(left_out, 'server')} with other blocks not drawn)" if left_out else ""),
        fontsize=10,
    )
    more = len(composition) - len(CHAIN_COLOURS)
    title = "chains, fastest first" + (f" ({more} more in grey)" if more > 0 else "")
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(
        handles[::-1],
        labels[::-1],
        title=title,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        title_fontsize=8,
    )
