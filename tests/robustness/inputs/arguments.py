"""Words of a command line that no command can read, or that name what is not there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from plots.drawing.appearance import appearance_of
from plots.drawing.generic import Arrangement, arrange
from plots.drawing.style import new_figure
from store.comparisons.versions import computed_by
from store.tables.filtered import collect
from store.tables.means import means_table
from system.errors import InputError
from tests.robustness.bad_input import BadInput
from tests.support.project import script

WRONG, PYTHON, NAME = "null or wrong type", "python sentence", "name as path"
ROWS = pd.DataFrame({"metric": ["m"], "at": [0.0], "draw": [0], "value": [1.0], "tuning.capacity": [6]})


def command(*words: str) -> Callable[[Path], object]:
    """Return a run of a command that ends with one line on stderr."""

    def run(folder: Path) -> None:
        done = script(*words, *(["--store", folder] if words[0] != "run.py" else []))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        raise InputError(done.stderr.strip())

    return run


STORE = "store/__main__.py"
COMMANDS = {
    (STORE,): ("", "COMMAND", "--help"),
    (STORE, "nope"): ("COMMAND", "'nope'", "choose from 'status'"),
    (STORE, "v" * 10**5): ("COMMAND", "vvv...vvv", "--help"),
    (STORE, "sweeps", "tiny", "abc"): ("sweep = ", "abc", "must be a whole number"),
    (STORE, "sweeps", "tiny@1"): ("experiment = ", "tiny@1", "write `python -m store sweeps tiny 1`"),
    (STORE, "compare", "tiny", "a=1,2", "--at", "median"): ("at = ", "median", "must be a number"),
    ("plot.py", "--where"): ("where", "", "expected at least one argument"),
    ("plot.py", "report", "--plans", "/dev/null"): ("plans = ", "/dev/null", "is no folder"),
    ("run.py", "network=european", "draws=1", "hydra.sweeper.workers=0"): (
        "hydra.sweeper.workers = ",
        "0",
        "at least 1",
    ),
    ("plot.py", "--nope"): ("", "--nope", "--help"),
    ("plot.py", "--verify", "results/rows", "--as", "x"): ("verify = ", "results/rows", "leave out --as"),
    ("plot.py", "claims", "--where", "a=1"): ("names = ", "claims", "is no experiment"),
    ("plot.py", "mine", "--as", "report"): ("as = ", "report", "choose another name"),
    (STORE, "sweeps", "tiny", "1", "--remove", "1"): ("sweep = ", "1", "leave it out"),
    ("plot.py", "--curves", "a,,b"): ("curves = ", "a,,b", "must be names, separated by commas"),
    ("run.py", "--cfg", "nope"): ("cfg", "'nope'", "choose from 'job'"),
    ("run.py", "--config-name", "nope"): ("--config-name = ", "nope", "leave out --config-name"),
    ("run.py", "--experimental-rerun", "job.pickle"): ("--experimental-rerun = ", "job.pickle", "can run code"),
    ("run.py", "network=european", "+x=1"): ("+x = ", "1", "nothing uses this new key"),
    ("run.py", "network=european", "++seed=1"): ("++seed = ", "1", "nothing uses this new key"),
    ("run.py", "hydra.job.nope=1"): ("hydra.job.nope", "", "`python run.py --cfg hydra` shows all"),
}
EMPTY = {
    option: ("plot.py", option, "") for option in ("--store", "--to", "--rows", "--archive", "--verify", "--plans")
} | {"--to of a table": (STORE, "collect", "x", "--to", ""), "--to of a plan": ("plan.py", "x.yaml", "--to", " ")}

STYLES = {
    "figure.subplot.left: 2": "left cannot be >= right",
    "font.size: 1e6": "FT_Set_Char_Size",
    "figure.dpi: 1e9": "",
}


def styled(line: str, folder: Path) -> None:
    """Draw a figure with a style file of one line."""
    (folder / "mine.mplstyle").write_text(line)
    with appearance_of(None, folder / "mine.mplstyle").applied():
        figure, _ = new_figure(1, 1)
        figure.suptitle("text")
        figure.savefig(folder / "figure.png")


BAD = (
    *(
        BadInput(PYTHON, f"the style {line}", partial(styled, line), "style = ", text, "correct its values")
        for line, text in STYLES.items()
    ),
    *(
        BadInput(PYTHON, f"the words {' '.join(words)[:60]}", command(*words), *parts)
        for words, parts in COMMANDS.items()
    ),
    *(
        BadInput(
            NAME,
            f"an empty path for {name}",
            command(*words),
            words[-2].strip("-"),
            repr(words[-1]),
            "must be the path of a file or folder",
        )
        for name, words in EMPTY.items()
    ),
    *(
        BadInput(
            PYTHON,
            f"a figure over {axis!r}",
            lambda folder, axis=axis: arrange(ROWS, Arrangement(curves=(axis,))),
            "axis = ",
            axis,
            "choose some of tuning.capacity",
        )
        for axis in ("draw", "value", "metric", "nope")
    ),
    BadInput(
        PYTHON,
        "a table with an axis twice",
        lambda folder: means_table("tiny", ["a", "a"], store=folder),
        "rows = ",
        "['a', 'a']",
        "leave one out",
    ),
    BadInput(
        WRONG,
        "means over one draw of several",
        lambda folder: means_table("tiny", "a", where={"draw": "0"}, store=folder),
        "where = ",
        "draw",
        "leave it out",
    ),
    BadInput(
        WRONG,
        "an experiment collected twice",
        partial(collect, ["tiny", "tiny"]),
        "experiment = ",
        "tiny",
        "name it once",
    ),
    BadInput(PYTHON, "an empty revision", lambda folder: computed_by("", {}), "with_commit = ", "''", "such as HEAD"),
)
