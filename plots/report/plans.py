"""The section of the report with the plans that `plan.py` wrote."""

from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from plots.report.markup import picture, table
from system import InputError
from system.checks import require
from system.documents.json_files import read_json
from system.pages.markup import Markup, paragraph

FORMAT = 1  # of plan.json
QUANTILES = {"0.5": "P50 (s)", "0.95": "P95 (s)", "0.99": "P99 (s)"}


def plans_of(folder: Path) -> Markup:
    """Return the section of all plans below a folder.

    It has the picture and the main numbers of each plan. The section is empty if there are no plans. Raises
    `InputError` if a plan cannot be read.
    """
    plans = "".join(map(_checked_plan, sorted(folder.rglob("plan.json"))))
    return Markup(f'<section id="plans">\n<h2>Plans</h2>\n{plans}</section>\n' if plans else "")


def _checked_plan(path: Path) -> str:
    """Return one plan; raise `InputError` where a file's content has another shape."""
    try:
        return _plan(path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        remedy = f"is not a plan of format {FORMAT}; remove it or write it again with plan.py"
        raise InputError(f"plans = {path}: {remedy}") from error


def _plan(path: Path) -> str:
    """Return one plan of `plan.py`, with its picture if any."""
    plan: dict[str, Any] = read_json(path, "plans")
    require(plan["format"] == FORMAT, "format", plan["format"], "is another one")
    drawing, name = path.with_name("plan.svg"), path.parent.name
    rate_per_s = plan["plan"]["prediction"]["rate_per_s"]
    parts = [
        f"<h3>{escape(name)}</h3>\n",
        picture(drawing.read_bytes(), f"Blocks and chains of the plan {name}") if drawing.is_file() else "",
        table(_predictions(plan), f"Predictions for {name} at {rate_per_s:.3g} requests/s"),
        paragraph(f"Bottleneck: {plan['bottleneck']}."),
        *(paragraph(f"Note: {warning}.") for warning in plan["warnings"]),
    ]
    return "".join(parts)


def _predictions(plan: dict[str, Any]) -> pd.DataFrame:
    """Return the predictions for a plan and its alternatives.

    Each has a line of the table.
    """
    others = [(other["name"], other["prediction"], other["reason"]) for other in plan["alternatives"]]
    computed = (plan["plan"].get("computation") or {}).get("prediction")
    shared = [("shared computation", computed, "")] if computed is not None else []
    lines = [("this plan", plan["plan"]["prediction"], ""), *shared, *others]
    return pd.DataFrame(
        [{"layout": name, **_numbers(predicted), "no prediction because": reason} for name, predicted, reason in lines]
    )


def _numbers(predicted: dict[str, Any] | None) -> dict[str, str]:
    """Return the known numbers of a prediction as text.

    They have three digits, because the inputs are not known more precisely.
    """
    if predicted is None:
        return {}
    largest_per_s = {"load λ/ν": predicted["total_rate_per_s"], "load λ/ν'": predicted.get("saturation_rate_per_s")}
    numbers = {
        "mean (s)": predicted["mean_s"],
        **{title: predicted["quantiles_s"].get(quantile) for quantile, title in QUANTILES.items()},
        "mean first token (s)": predicted["first_token_mean_s"],
        "share that waits": predicted["waiting_probability"],
        **{title: predicted["rate_per_s"] / largest for title, largest in largest_per_s.items() if largest},
    }
    return {title: f"{number:.3g}" for title, number in numbers.items() if number is not None}
