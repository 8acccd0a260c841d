"""Check of what `make reproduce` leaves on a machine without a network and without data: `... OUTPUTS`.

Every experiment has a figure, and everything that shows embedded data says so.
"""

import sys
from pathlib import Path

from store.disk.store import EMBEDDED, EMBEDDED_DATA
from tests.support.project import choices

SUFFIXES = ("png", "pdf", "svg")
WITHOUT_DATA = {"fig4", "fig4_measured"}  # experiments that read no data set


def faults(outputs: Path) -> list[str]:
    """Return what is missing or not labelled, as lines."""
    figures, rows = outputs / "figures", outputs / "rows"
    # Experiments of `make real`, `make engines` and `make beyond`.
    others = ("real_", "model_limit", "engines", "scale", "exact_trust", "interference_", "table1_steps")
    others += ("optimality", "helix")
    experiments = {name for name in choices("experiment") if not name.startswith(others)}
    names = sorted(name if name in WITHOUT_DATA else f"{name}{EMBEDDED}" for name in experiments)
    wanted = [figures / f"{name}.{suffix}" for name in names for suffix in SUFFIXES]
    wanted += [rows / f"{name}.csv" for name in names] + [figures / "claims.md"]
    missing = [f"{path}: is missing" for path in wanted if not path.is_file()]
    labelled = [figures / f"{name}.svg" for name in names if name.endswith(EMBEDDED)] + [figures / "claims.md"]
    unlabelled = [f"{path}: lacks its label" for path in labelled if path.is_file() and not _is_labelled(path)]
    wrong = [f"{path}: has a wrong label" for path in set(wanted) - set(labelled) if _is_labelled(path)]
    return missing or [*unlabelled, *wrong]


def _is_labelled(path: Path) -> bool:
    return EMBEDDED_DATA in path.read_bytes().decode("utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(sys.argv[1]))) or 0)
