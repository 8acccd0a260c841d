"""The files of a plan."""

import json
import os
import warnings
from pathlib import Path

import matplotlib as mpl

from planner.output.document import plan_document
from planner.output.picture import plan_picture
from planner.output.start_commands import exports
from planner.results import Plan, Study
from system import InputError
from system.checks import require

REMEDY = "name a folder that can be written"


def require_folder(folder: Path) -> None:
    """Raise `InputError` unless the folder can be made or written."""
    try:
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; {REMEDY}") from error
    require(parent.is_dir(), "to", folder, f"{parent} is a file; {REMEDY}")
    require(os.access(parent, os.W_OK | os.X_OK), "to", folder, f"{parent} cannot be written; {REMEDY}")


def write(folder: Path, study: Study, best: Plan, *, with_picture: bool) -> list[str]:
    """Write the files of a plan and return their names.

    These are the study, its picture, and the start commands of the best plan. Raises `InputError` if the
    folder cannot be written.
    """
    try:
        return _write(folder, study, best, with_picture)
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; {REMEDY}") from error


def _write(folder: Path, study: Study, best: Plan, with_picture: bool) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "plan.json": json.dumps(plan_document(study, best), indent=1, allow_nan=False) + "\n",
        **{f"export_{export.name}.sh": export.script for export in exports(best)},
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*texts, *(_draw(folder, study.plan) if with_picture else [])]


def _draw(folder: Path, plan: Plan) -> list[str]:
    """Draw the plan; names are plain text, also where they look like formulas."""
    mpl.use("agg")
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a box stands for a character that the font lacks
        figure, names = plan_picture(plan), ["plan.png", "plan.svg"]
        for name in names:
            figure.savefig(folder / name, dpi=150)
    return names
