"""The files of a plan."""

import json
from pathlib import Path

import matplotlib as mpl

from planner.output.document import plan_document
from planner.output.export import petals_commands, vllm_commands
from planner.output.picture import plan_picture
from planner.results import Plan, Study
from system import InputError


def write(folder: Path, found: Study, best: Plan, *, with_picture: bool) -> list[str]:
    """The study and its picture, and the commands that start the best plan; their names."""
    try:
        return _write(folder, found, best, with_picture)
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; name a folder that can be written") from error


def _write(folder: Path, found: Study, best: Plan, with_picture: bool) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "plan.json": json.dumps(plan_document(found, best), indent=1, allow_nan=False) + "\n",
        "export_petals.sh": petals_commands(best),
        "export_vllm.sh": vllm_commands(best),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*texts, *(_draw(folder, found.plan) if with_picture else [])]


def _draw(folder: Path, plan: Plan) -> list[str]:
    mpl.use("agg")
    drawn, names = plan_picture(plan), ["plan.png", "plan.svg"]
    for name in names:
        drawn.savefig(folder / name, dpi=150)
    return names
