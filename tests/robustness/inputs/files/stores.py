"""Files of a store whose content has another shape than this project writes."""

import json
import warnings
from contextlib import suppress
from functools import partial

from store.disk.files import StoreWarning
from store.disk.parts import Part
from store.disk.store import Store
from system.errors import InputError
from system.limits import NESTING
from tests.robustness.bad_input import BadInput
from tests.support.changes import changed
from tests.support.stored import note, record

KIND = "unchecked shape"
POINT, PART = "ab12", Part(range(1), range(1))
RECORD = f"points/{POINT}.{PART}.json"
NOTE = f"unfinished/{POINT}.json"
SWEEP = "experiments/x/20300101-ab.json"
STORE = "store.json"
ENTRY = {"point": POINT, "axes": {"load": "0.1"}, "variant": 0}
SWEPT = {
    "axes": ["load"],
    "fixed": [],
    "draws": 1,
    "replications": 1,
    "words": ["load=0.1"],
    "labels": {},
    "variants": [{"settings": {}, "targets": []}],
    "points": [ENTRY],
}
DEEP = {"seed": 1}
for _ in range(NESTING):
    DEEP = {"child": DEEP}


def stored(folder):
    """Return a store with a part, a note and a sweep."""
    store = Store(folder)
    store.commit(POINT, PART, [(0, 0, "response_mean_s", 0.5, 1.0)], record())
    store.leave_unfinished(POINT, note())
    store.files.write_json(SWEEP, {**SWEPT, "started": "2030"})
    return store


def read(store):
    """Read everything in a store."""
    store = Store(store.folder)
    store.parts([POINT])
    store.unfinished(POINT)
    store.sweeps("x")


def warned(damage, folder):
    """Raise the only warning of reading a damaged store as an error."""
    store = stored(folder)
    damage(store.files)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(InputError):  # without a sweep there is no experiment
            read(store)
    (warning,) = caught
    assert warning.category is StoreWarning
    raise InputError(str(warning.message))


def written(name, content, files):
    """Write a content that has no checksum, as another hand would."""
    (files.folder / name).write_text(json.dumps(content))


def change(name, keys, value, files):
    """Set a value deep inside a file; ... removes its key."""
    content = json.loads((files.folder / name).read_bytes())
    written(name, changed(content, keys, value), files)


CONTENTS = {
    "null": (None, "content = None is not a table"),
    "a list": ([], "content = [] is not a table"),
    "a list of one": ([1], "content = [1] is not a table"),
    "a number": (5, "content = 5 is not a table"),
    "a text": ("text", "content = text is not a table"),
    "true": (True, "content = True is not a table"),
    "an empty table": ({}, "content lacks "),
}
DEEP_INSIDE = (
    (RECORD, ("rows_sha256",), ..., "content lacks rows_sha256"),
    (RECORD, ("rows_sha256",), 5, "content.rows_sha256 = 5 is not a text"),
    (RECORD, ("rows_sha256",), "0" * 64, "the rows are torn or changed"),
    (RECORD, ("point",), "cd34", "it is the record of another part"),
    (RECORD, ("point",), "../../escape", "content.point = ../../escape is not the name of a point"),
    (RECORD, ("part",), [0, 2, 0, 1], "it is the record of another part"),
    (RECORD, ("part",), [0, 1], "content.part = [0, 1] is not a list of 4"),
    (RECORD, ("part",), [0, 1, 0, "1"], "content.part[3] = 1 is not a whole number"),
    (RECORD, ("duration_s",), "long", "content.duration_s = long is not a number from 0"),
    (RECORD, ("duration_s",), float("nan"), "content.duration_s = nan is not a number from 0"),
    (RECORD, ("duration_s",), float("inf"), "content.duration_s = inf is not a number from 0"),
    (RECORD, ("duration_s",), 10**400, "content.duration_s = 1000"),
    (RECORD, ("duration_s",), True, "content.duration_s = True is not a number from 0"),
    (RECORD, ("refusals",), None, "content.refusals = None is not a list"),
    (RECORD, ("refusals",), [[0, "unstable"]], "content.refusals[0] = [0, 'unstable'] is not a list of 3"),
    (RECORD, ("refusals",), [[0, "tired", ""]], "content.refusals[0][1] = tired is not infeasible or unstable"),
    (RECORD, ("refusals",), [[-1, "unstable", ""]], "content.refusals[0][0] = -1 is not a whole number"),
    (RECORD, ("configuration",), ..., "content lacks configuration"),
    (RECORD, ("configuration",), [], "content.configuration = [] is not a table"),
    (RECORD, ("configuration",), DEEP, "content.configuration is nested more than 64 deep"),
    (RECORD, ("configuration",), {"rate": float("nan")}, "content.configuration holds a number that is not finite"),
    (RECORD, ("configuration",), {"seed": "one"}, "content.configuration.seed = one is not a number from 0"),
    (RECORD, ("modules",), {"a": 1}, "content.modules.a = 1 is not a text"),
    (RECORD, ("provenance",), {}, "content.provenance lacks commit"),
    (RECORD, ("provenance", "machine"), "mine", "content.provenance.machine = mine is not a table"),
    (RECORD, ("provenance", "packages"), ["numpy"], "content.provenance.packages = ['numpy'] is not a table"),
    (RECORD, ("simulated",), "maybe", "content.simulated = maybe is not true or false"),
    (NOTE, ("status",), "ok", "content.status = ok is not failed or skipped"),
    (NOTE, ("reason",), ..., "content lacks reason"),
    (NOTE, ("traceback",), None, "content.traceback = None is not a text"),
    (SWEEP, ("draws",), "many", "content.draws = many is not a whole number up to 1,000,000"),
    (SWEEP, ("draws",), 10**12, "content.draws = 1000000000000 is not a whole number up to 1,000,000"),
    (SWEEP, ("draws",), 1.5, "content.draws = 1.5 is not a whole number"),
    (SWEEP, ("draws",), True, "content.draws = True is not a whole number"),
    (SWEEP, ("points", 0, "draws"), "many", "content.points[0].draws = many is not a whole number"),
    (SWEEP, ("points", 0, "point"), "../x", "content.points[0].point = ../x is not the name of a point"),
    (SWEEP, ("points", 0, "point"), "a" * 17, "is not the name of a point"),
    (SWEEP, ("points", 0, "axes"), ["load"], "content.points[0].axes = ['load'] is not a table"),
    (SWEEP, ("points", 0, "axes", "load"), 0.1, "content.points[0].axes.load = 0.1 is not a text"),
    (SWEEP, ("points", 0, "variant"), 7, "content.points.variant = 7 is not a whole number up to 0"),
    (SWEEP, ("points",), {}, "content.points = {} is not a list"),
    (SWEEP, ("variants", 0, "targets"), None, "content.variants[0].targets = None is not a list"),
    (SWEEP, ("variants", 0, "settings"), {"a": 1}, "content.variants[0].settings.a = 1 is not a text"),
    (SWEEP, ("labels",), {"load": "high"}, "content.labels.load = high is not a table"),
    (SWEEP, ("axes",), "load", "content.axes = load is not a list"),
    (SWEEP, ("precision",), {"half_width": 0.1}, "content.precision lacks metrics"),
    (STORE, ("format",), "three", "content.format = three is not a whole number"),
    (STORE, ("format",), 3.5, "content.format = 3.5 is not a whole number"),
)

BAD = (
    *(
        BadInput(KIND, f"{name} is {kind}", partial(warned, partial(written, name, content)), "store = ", name, fault)
        for name in (RECORD, NOTE, SWEEP, STORE)
        for kind, (content, fault) in CONTENTS.items()
    ),
    *(
        BadInput(
            KIND,
            f"{name}: {'.'.join(map(str, keys))}: {fault}",
            partial(warned, partial(change, name, keys, value)),
            "store = ",
            name,
            fault,
        )
        for name, keys, value, fault in DEEP_INSIDE
    ),
)
