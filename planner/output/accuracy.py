"""Draws how well plan.py predicts measured points, and prints the errors: `python -m planner.output.accuracy`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from planner.study.accuracy import WITHIN, PredictedPoint, leave_one_out, summary, table
from system.command.arguments import Parser, path
from system.command.boundary import ends_in_one_sentence

MARKERS = {"llama.cpp": "o", "vllm": "s", "petals": "^"}
LIMITS = (0.5, 500.0)  # tokens/s
DPI = 150
COLOURS = [plt.get_cmap("tab20")(number) for number in (*range(0, 20, 2), *range(1, 20, 2))]  # dark ones first


def accuracy_figure(comparisons: Sequence[PredictedPoint]) -> Figure:
    """Draw predicted over measured tokens/s, with families as colours and engines as marks."""
    figure, axes = plt.subplots(figsize=(7.2, 5.6), layout="constrained")
    line = np.array(LIMITS)
    axes.fill_between(line, line * (1 - WITHIN), line * (1 + WITHIN), color="0.92", label=f"within {WITHIN:.0%}")
    axes.plot(line, line, color="0.5", linewidth=0.8)
    families = sorted({comparison.family for comparison in comparisons})
    colours = dict(zip(families, COLOURS, strict=False))
    groups: dict[tuple[str, str], list[PredictedPoint]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.family, comparison.point.source.engine), []).append(comparison)
    for (family, engine), group in sorted(groups.items()):
        measured, predicted = np.array([(one.point.tokens_per_s, one.predicted_per_s) for one in group]).T
        label = f"{family.replace('_', ' ')}, {engine} ({len(group)})"
        marks = axes.scatter(measured, predicted, s=26, c=[colours[family]], marker=MARKERS[engine], label=label)
        marks.set(alpha=0.75, linewidths=0)
    axes.set(xscale="log", yscale="log", xlim=LIMITS, ylim=LIMITS)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("measured tokens/s for one user")
    axes.set_ylabel("predicted without this point")
    axes.set_title(summary(comparisons), fontsize=10)
    axes.legend(fontsize=7, loc="upper left")
    return figure


def main() -> None:
    """Print the errors as a table, and draw the figure into a folder."""
    parser = Parser(description=__doc__)
    parser.add_argument("--to", type=path, default=Path("outputs/accuracy"), help="folder of plan_accuracy.png")
    parser.add_argument("--all", action="store_true", help="print every point, those with the largest errors first")
    args = parser.parse_args()
    comparisons = leave_one_out()
    sys.stdout.write("\n".join([summary(comparisons), "", *table(comparisons)]) + "\n")
    if args.all:
        for one in sorted(comparisons, key=lambda one: -abs(one.error)):
            rates = f"{one.predicted_per_s:.3g} instead of {one.point.tokens_per_s:.3g}"
            sys.stdout.write(f"{one.error:+.0%}: {rates}, {one.point.name}\n")
    args.to.mkdir(parents=True, exist_ok=True)
    accuracy_figure(comparisons).savefig(args.to / "plan_accuracy.png", dpi=DPI)
    sys.stdout.write(f"Wrote {args.to}/plan_accuracy.png\n")


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
