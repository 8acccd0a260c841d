"""The files of a plan."""

import json
import warnings
from pathlib import Path

from planner.output.document import plan_document
from planner.output.folders import DOCUMENT, REMEDY, Source, remove_old_files
from planner.output.page.page import plan_page
from planner.output.start_commands import exports
from planner.results import Plan, Study
from system import InputError

PAGE = "plan.html"
PICTURES = ("plan.png", "plan.svg")


def write(
    folder: Path,
    study: Study,
    best: Plan,
    *,
    with_picture: bool,
    with_page: bool = False,
    source: Source | None = None,
) -> list[str]:
    """Write the files of a plan and return their names.

    These are the study, its page and picture, and the start commands of the best plan. Files that an older plan left in
    the folder are removed. Raises `InputError` if the folder cannot be written.
    """
    title = folder.name if source is None else source.path.stem
    texts = {f"export_{export.name}.sh": export.script for export in exports(best)}
    texts |= {PAGE: plan_page(study, title, best)} if with_page else {}
    pictures = PICTURES if with_picture else ()
    names = [DOCUMENT, *texts, *pictures]
    document = plan_document(study, best) | {"files": names}
    document |= {} if source is None else {"inventory_file": source.document(folder)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_old_files(folder, names)
        for name, text in {DOCUMENT: json.dumps(document, indent=1, allow_nan=False) + "\n", **texts}.items():
            (folder / name).write_text(text, encoding="utf-8")
        _draw(folder, study.plan, pictures)
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; {REMEDY}") from error
    return names


def _draw(folder: Path, plan: Plan, names: tuple[str, ...]) -> None:
    """Draw the plan; names are plain text, also where they look like formulas."""
    if not names:
        return
    import matplotlib as mpl  # it takes as long to load as a small plan to make

    from planner.output.picture import plan_picture

    mpl.use("agg")
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a box stands for a character that the font lacks
        figure = plan_picture(plan)
        if layout := figure.get_layout_engine():
            layout.execute(figure)
        figure.set_layout_engine("none")  # all formats share the layout, which takes long
        for name in names:
            figure.savefig(folder / name, dpi=150)
