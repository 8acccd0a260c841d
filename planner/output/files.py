"""The files of a plan."""

import json
from pathlib import Path

import matplotlib as mpl

from planner.output.document import plan_document
from planner.output.export import petals_commands, vllm_commands
from planner.output.picture import plan_picture
from planner.results import Plan, Study
from system import InputError


def write(folder: Path, study: Study, best: Plan, *, with_picture: bool) -> list[str]:
    """Write the files of a plan and return their names.

    These are the study, its picture, and the start commands of the best plan. Raises `InputError` if the
    folder cannot be written.
    """
    try:
        return _write(folder, study, best, with_picture)
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; name a folder that can be written") from error


def _write(folder: Path, study: Study, best: Plan, with_picture: bool) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "plan.json": json.dumps(plan_document(study, best), indent=1, allow_nan=False) + "\n",
        "export_petals.sh": petals_commands(best),
        "export_vllm.sh": vllm_commands(best),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*texts, *(_draw(folder, study.plan) if with_picture else [])]


def _draw(folder: Path, plan: Plan) -> list[str]:
    mpl.use("agg")
    figure, names = plan_picture(plan), ["plan.png", "plan.svg"]
    for name in names:
        figure.savefig(folder / name, dpi=150)
    return names
