"""The plans that `plan.py` left in a folder, as a section of the report."""

import json
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from plots.report.markup import Markup, paragraph, picture, table
from system import InputError

FORMAT = 1  # of plan.json
QUANTILES = {"0.5": "P50 (s)", "0.95": "P95 (s)", "0.99": "P99 (s)"}


def plans_of(folder: Path) -> Markup:
    """The picture and the main numbers of each plan in a folder or below it; empty where there is none.

    Raises `InputError` where a plan cannot be read.
    """
    plans = "".join(map(_plan, sorted(folder.rglob("plan.json"))))
    return Markup(f'<section id="plans">\n<h2>Plans</h2>\n{plans}</section>\n' if plans else "")


def _plan(path: Path) -> str:
    """What `plan.py` wrote beside this file; without a picture if it was asked for none."""
    found, drawn, name = _read(path), path.with_name("plan.svg"), path.parent.name
    rate_per_s = found["plan"]["prediction"]["rate_per_s"]
    parts = [
        f"<h3>{escape(name)}</h3>\n",
        picture(drawn.read_bytes(), f"Blocks and chains of the plan {name}") if drawn.is_file() else "",
        table(_predictions(found), f"What is predicted for {name} at {rate_per_s:.3g} requests/s"),
        paragraph(f"Bottleneck: {found['bottleneck']}."),
        *(paragraph(f"Mind: {warning}.") for warning in found["warnings"]),
    ]
    return "".join(parts)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = found["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError(f"plans = {path}: not a plan of format {FORMAT}; remove it, or write it again with plan.py")
    return found


def _predictions(found: dict[str, Any]) -> pd.DataFrame:
    """The plan and its alternatives, one a line."""
    others = [(each["name"], each["prediction"], each["reason"]) for each in found["alternatives"]]
    lines = [("this plan", found["plan"]["prediction"], ""), *others]
    return pd.DataFrame([{"layout": name, **_numbers(predicted), "why none": why} for name, predicted, why in lines])


def _numbers(predicted: dict[str, Any] | None) -> dict[str, str]:
    """To three digits, as inputs are not known better; what is not known is left out."""
    if predicted is None:
        return {}
    largest_per_s = predicted["total_rate_per_s"]  # None of schemes that route
    numbers = {
        "mean (s)": predicted["mean_s"],
        **{title: predicted["quantiles_s"].get(quantile) for quantile, title in QUANTILES.items()},
        "mean first token (s)": predicted["first_token_mean_s"],
        "share that waits": predicted["waiting_probability"],
        "load λ/ν": predicted["rate_per_s"] / largest_per_s if largest_per_s else None,
    }
    return {title: f"{number:.3g}" for title, number in numbers.items() if number is not None}
