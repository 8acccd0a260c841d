"""Names that would leave their folder, hide in it, or be no file at all."""

from functools import partial

from store.disk.store import Store, require_experiment_name, store_at
from store.tables.reading import load, load_points, load_provenance
from system.checks import require_path
from system.errors import InputError
from tests.robustness.bad_input import BadInput
from tests.support.project import script

KIND = "name as path"
NAMED = "must be a name such as mine: up to 150 characters, without / and \\"
NAMES = {
    "leaves the folder": ("../../escape", "../../escape"),
    "is absolute": ("/tmp/escape", "/tmp/escape"),
    "has a folder": ("a/b", "a/b"),
    "has a folder of Windows": ("a\\b", "a\\b"),
    "is the folder": (".", "."),
    "is the folder above": ("..", ".."),
    "is empty": ("", "''"),
    "is blank": (" ", "' '"),
    "ends in a blank": ("mine ", "mine"),
    "is hidden": (".hidden", ".hidden"),
    "has a NUL": ("a\0b", "'a\\x00b'"),
    "has a line break": ("a\nb", "'a\\nb'"),
    "is no text of UTF-8": ("a\udc80b", "'a\\udc80b'"),
    "has 300 characters": ("n" * 300, "nnn...nnn"),
    "has 200 bytes": ("ü" * 100, "üüü...üüü"),
    "is a device": ("con", "con"),
    "is a device with an ending": ("NUL.txt", "NUL.txt"),
    "is a number": (7, "7"),
    "is null": (None, "None"),
}
SWEEP = {"axes": [], "fixed": [], "points": [], "draws": 1, "replications": 1}
PATHS = {
    "is empty": ("", "''"),
    "is blank": ("  ", "'  '"),
    "has a NUL": ("a\0b", "'a\\x00b'"),
    "has a line break": ("a\nb/c", "'a\\nb/c'"),
    "has a folder of 300 characters": ("out/" + "n" * 300, "out/nnn"),
    "is null": (None, "None"),
    "is a number": (5, "5"),
    "is a list": (["a", "b"], "['a', 'b']"),
}


def swept(name, folder):
    Store(folder / "store").write_experiment(name, SWEEP)


def drawn(name, folder):
    """Run plot.py, and raise the sentence in which it ends."""
    done = script("plot.py", "fig3b", "--as", name, "--store", folder / "store", "--to", folder / "figures")
    assert done.returncode == 1, done
    raise InputError(done.stderr.strip())


BAD = (
    *(
        BadInput(KIND, f"an experiment's name that {why}", partial(swept, name), "experiment = ", value, NAMED)
        for why, (name, value) in NAMES.items()
    ),
    *(
        BadInput(
            KIND,
            f"experiment.name that {why}",
            lambda folder, name=name: require_experiment_name(name),
            "experiment.name = ",
            value,
            NAMED,
        )
        for why, (name, value) in NAMES.items()
    ),
    BadInput(
        KIND,
        "experiment.name with the number of a sweep",
        lambda folder: require_experiment_name("fig8@2"),
        "experiment.name = ",
        "fig8@2",
        "@ chooses a sweep of an experiment; leave it out",
    ),
    *(
        BadInput(
            KIND,
            f"{read.__name__} of an experiment's name that {why}",
            lambda folder, read=read, name=NAMES[why][0]: read(name, store=folder),
            "experiment = ",
            NAMES[why][1],
            NAMED,
        )
        for read in (load, load_points, load_provenance)
        for why in ("leaves the folder", "is the folder above", "has a NUL")
    ),
    *(
        BadInput(KIND, f"--as that {why}", partial(drawn, NAMES[why][0]), "as = ", NAMES[why][1], NAMED)
        for why in ("leaves the folder", "is hidden")
    ),
    *(
        BadInput(KIND, f"store that {why}", lambda folder, path=path: store_at(path), "store = ", value, "path of a f")
        for why, (path, value) in PATHS.items()
    ),
    *(
        BadInput(
            KIND,
            f"load from a store whose path {why}",
            lambda folder, path=PATHS[why][0]: load("fig8", path),
            "store = ",
            PATHS[why][1],
            "must be the path of a file or folder",
        )
        for why in ("has a NUL", "has a folder of 300 characters")
    ),
    BadInput(
        KIND,
        "a path of one part of 300 bytes",
        lambda folder: require_path(to="ü" * 150),
        "to = ",
        "üüü...üüü",
        "must be the path of a file or folder",
    ),
)
