"""The replay of a trace: CDFs of response, waiting and service times, as means over draws of the cluster."""

from matplotlib.figure import Figure

from plots.drawing.panels import further_panels
from plots.drawing.style import COLOURS, mean_of, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

TREATMENT = "workload.over_length"
TIMES = (("response", "-"), ("service", "--"), ("waiting", ":"))


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each treatment of over-long requests.

    If points differ in further settings, there is a panel for each of these.
    """
    panels = further_panels(results, [TREATMENT])
    figure, frames = new_figure(len(panels))
    for axes, panel in zip(frames, panels, strict=True):
        rows = panel.rows
        for (name, linestyle), colour in zip(TIMES, COLOURS, strict=False):
            quantiles = over_draws(rows[rows["metric"] == f"{name}_quantile_s"], "at")
            p95_s, p99_s = quantiles["mean"].loc[[0.95, 0.99]]
            label = f"{name}: mean {mean_of(rows, f'{name}_mean_s'):.2f}, P95 {p95_s:.2f}, P99 {p99_s:.2f} s"
            axes.plot(quantiles["mean"], quantiles.index, color=colour, linestyle=linestyle, label=label)
        share, load = mean_of(rows, "over_length_share"), mean_of(rows, "load")
        treatment = labels(TREATMENT, panel.setting[TREATMENT])
        others = panel._replace(setting={axis: panel.setting[axis] for axis in panel.setting if axis != TREATMENT})
        words = ", ".join(filter(None, [treatment, others.title(labels)]))
        title = f"{share:.0%} over-long: {words}, load {load:.2f}"
        axes.set(xlabel="time (s)", ylabel="share of the requests", title=title)
        axes.set_xscale("symlog", linthresh=0.1)
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.24))
    return figure
