"""Response over c if requests slow each other: mean response times by equation (2) and by step queues.

Each panel shows one arrival rate. By equation (2) a larger c costs little, because the slower chains serve few jobs. If
requests slow each other, it costs much more, because the fast chains are shared by more of them.
"""

from matplotlib.figure import Figure

from plots.drawing.curves import SERVICE, curves_of, mean_responses
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, logarithmic_at, share_logarithmic, wrapped_figure
from store.tables.labels import Labels
from store.tables.reading import Results

RATE, C = "demand.per_s", "tuning.capacity"
IN_A_LINE = 3  # panels


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each arrival rate."""
    rows, curves = curves_of(mean_responses(results.rows), labels, [RATE, C], SERVICE)
    panels = panels_over(Results(rows, results.points), [RATE])
    figure, frames = wrapped_figure(len(panels), min(len(panels), IN_A_LINE))
    share_logarithmic(frames)
    for axes, panel in zip(frames, panels, strict=True):
        draw_with_refusals(axes, panel, curves, C, _rate_words(panel, labels))
        logarithmic_at(axes, results.points[C])
        axes.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)")
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(results.points)))
    return figure


def _rate_words(panel: Panel, labels: Labels) -> str:
    """Return the setting of a panel in words, with the rate as λ."""
    rate = panel.setting.get(RATE)
    return panel.title(labels) if rate is None else f"λ = {rate:g}/s"
