"""Bad hardware profiles, as files and with the model whose block times they give."""

from functools import partial

import yaml

from hardware_profiles.profile import GpuProfile, read_profile
from hardware_profiles.profiler.scope import Scope
from sweep import resolvers
from system.models.decoder import served_model
from system.models.presets import preset
from tests.robustness.bad_input import BadInput

PROFILE = {
    "name": "mine",
    "description": "a GPU",
    "source": "a data sheet",
    "memory_gb": 24,
    "prefill_tflops": 71,
    "bandwidth_gb_per_s": 936,
    "overhead_s": 0.001,
}
ROW = [1, 32, 0.002, 0.001, 0.003]
FILE = "mine.yaml"


def read_text_of(text, folder):
    """Read a profile with this text."""
    (folder / FILE).write_text(text)
    return read_profile("mine", folder)


def read_changed(changes, folder):
    """Read a profile with some other values."""
    return read_text_of(yaml.safe_dump(PROFILE | changes), folder)


def merged(content, folder):
    """Let a configuration take over a profile that a reader let pass."""
    given = {"_target_": "hardware_profiles.profile.GpuProfile", **PROFILE, **content}
    return resolvers._merged("profile", given)


def block_times(coefficients, folder):
    """Return the block times of a profile with measured ones."""
    model = served_model(preset("llama3_8b"), 2048)
    return GpuProfile(**PROFILE, measured_block_s={model.name: coefficients}).block_coefficients_s(model)


NUMBERS = ("memory_gb", "prefill_tflops", "bandwidth_gb_per_s", "overhead_s", "cost_per_hour", "idle_w", "busy_w")
NO_NUMBERS = {
    "null": (None, "None", "must be a number"),
    "text": ("many", "'many'", "must be a number"),
    "a list": ([1], "[1]", "must be a number"),
    "a mapping": ({"a": 1}, "{'a': 1}", "must be a number"),
    "true": (True, "True", "must be a number"),
    "negative": (-1, "-1", "must be a finite number"),
    "infinite": (float("inf"), "inf", "must be a finite number"),
}
MAPPINGS = ("measured_block_s", "measured_relay_s", "fit_report", "measured_points", "measured_on")
# Key, value, shown value and remedy.
SHAPES = (
    ("name", None, "None", "must be text"),
    ("name", 3090, "3090", "must be text"),
    ("name", "", "name = ", "must have letters"),
    ("name", "../../etc/passwd", "../../etc/passwd", "must have letters"),
    ("name", "a\nb", r"'a\nb'", "must have letters"),
    ("description", ["a"], "['a']", "must be text"),
    ("source", {"a": 1}, "{'a': 1}", "must be text"),
    ("colour", "red", "['colour']", "unknown keys; remove them"),
    ("memory", 24, "['memory']", "unknown keys; remove them"),
    ("measured_block_s", {"m": 5}, "5", "must be 3 numbers"),
    ("measured_block_s", {"m": None}, "None", "must be 3 numbers"),
    ("measured_block_s", {"m": [1, 2]}, "[1, 2]", "must be 3 numbers"),
    ("measured_block_s", {"m": ["1", "2", "3"]}, "['1', '2', '3']", "must be 3 numbers"),
    ("measured_block_s", {"m": [True, True, True]}, "[True, True, True]", "must be 3 numbers"),
    ("measured_block_s", {"m": "123"}, "123", "must be 3 numbers"),
    ("measured_block_s", {"m": [0.1, -0.1, 0.1]}, "[0.1, -0.1, 0.1]", "must be 3 numbers"),
    ("measured_block_s", {"m": [float("nan")] * 3}, "[nan, nan, nan]", "must be 3 numbers"),
    ("measured_relay_s", {"m": [1, 2, 3]}, "[1, 2, 3]", "must be 2 numbers"),
    ("fit_report", {"m": 5}, "5", "must be a mapping"),
    ("fit_report", {"m": {"prefill_error": None}}, "None", "must be a finite number"),
    ("fit_report", {"m": {"prefill_error": -1}}, "-1", "must be a finite number"),
    ("measured_points", {"m": {"speed": [ROW]}}, "speed", "must be one of"),
    ("measured_points", {"m": {5: [ROW]}}, "5", "must be one of"),
    ("measured_points", {"m": {"prefill": 5}}, "5", "must be rows of numbers"),
    ("measured_points", {"m": {"prefill": []}}, "[]", "must be rows of numbers"),
    ("measured_points", {"m": {"prefill": [[]]}}, "[[]]", "must be rows of numbers"),
    ("measured_points", {"m": {"prefill": [ROW, [1]]}}, "[1]", "must be rows of numbers"),
    ("measured_points", {"m": {"prefill": [[*ROW[:4], "x"]]}}, "'x'", "must be rows of numbers"),
    ("measured_points", {"m": {"prefill": [[*ROW[:4], 0.0001]]}}, "0.0001", "P10 <= median <= P90"),
)
UNITS = (
    ("memory_gb", 24576, "24576", "is it in MB? Give 24"),
    ("memory_gb", 16384, "16384", "is it in MB? Give 16"),
    ("memory_gb", 24e9, "24000000000.0", "is it in bytes? Give 24"),
    ("prefill_tflops", 125e12, "125000000000000.0", "is it in FLOP/s? Give 125"),
    ("prefill_tflops", 71_000, "71000", "is it in GFLOP/s? Give 71"),
    ("bandwidth_gb_per_s", 600e9, "600000000000.0", "is it in bytes/s? Give 600"),
    ("bandwidth_gb_per_s", 936_000, "936000", "is it in MB/s? Give 936"),
    ("bandwidth_gb_per_s", 0.6, "0.6", "is it in TB/s? Give 600"),
    ("overhead_s", 1, "1", "is it in ms? Give 0.001"),
    ("busy_w", 350_000, "350000", "is it in mW? Give 350"),
    ("cost_per_hour", 1e12, "1000000000000.0", "check the number of zeros"),
    ("measured_block_s", {"m": [0, 0, 0]}, "[0, 0, 0]", "no block computes a token in 0 s"),
    ("measured_block_s", {"m": [0.1, 0.1, 0]}, "[0.1, 0.1, 0]", "no block computes a token in 0 s"),
)
TEXTS = (
    ("null or wrong type", "empty", "", "NoneType", "must be a mapping"),
    ("null or wrong type", "a list", "[1]", "list", "must be a mapping"),
    ("null or wrong type", "a number", "5", "int", "must be a mapping"),
    ("null or wrong type", "a mapping without keys", "{}", "'bandwidth_gb_per_s'", "missing keys"),
    ("unchecked shape", "a repeated key", "memory_gb: 24\nmemory_gb: 48", "memory_gb", "keep one"),
    ("data as code", "an alias bomb", "a: &a [" + "x," * 2000 + "]\nb: [" + "*a," * 2000 + "]", "value 1,0", "at most"),
)
CODE = (
    ("measured_on", {"machine": {"_target_": "pathlib.Path.touch"}}, "_target_"),
    ("measured_on", {"machine": {"_args_": ["/tmp/x"]}}, "_args_"),
    ("measured_on", {"machine": [{"_partial_": True}]}, "_partial_"),
    ("measured_on", {"machine": "${oc.env:HOME}"}, "${oc.env:HOME}"),
    ("measured_on", {"${oc.env:HOME}": 1}, "${oc.env:HOME}"),
    ("measured_on", {"note": "???"}, "???"),
    ("description", "${oc.decode:[1]}", "${oc.decode:[1]}"),
    ("memory_gb", "${listed:/etc/passwd,servers}", "${listed:/etc/passwd,servers}"),
    ("_target_", "os.abort", "_target_"),
)


def bad(kind, name, changes, field, value, remedy, way=read_changed):
    """Return a bad input of a profile with some other values."""
    return BadInput(kind, f"profile: {name}", partial(way, changes), field, value, remedy)


BAD = (
    *(
        bad("null or wrong type", f"{key} {name}", {key: value}, key, shown, remedy)
        for key in NUMBERS
        for name, (value, shown, remedy) in NO_NUMBERS.items()
    ),
    *(
        bad("null or wrong type", f"{key} is {value}", {key: value}, key, str(value), "must be a mapping")
        for key in MAPPINGS
        for value in (None, 5, "x", [1])
    ),
    *(
        bad(kind, f"{number}. {key}", {key: value}, FILE if remedy.startswith("unknown") else key, shown, remedy)
        for kind, table in (("null or wrong type", SHAPES), ("boolean or unit", UNITS))
        for number, (key, value, shown, remedy) in enumerate(table, 1)
    ),
    *(bad(kind, name, text, FILE, value, remedy, read_text_of) for kind, name, text, value, remedy in TEXTS),
    *(
        bad(
            "data as code",
            f"{number}. {key} in a file",
            {key: value},
            key if key != "_target_" else FILE,
            shown,
            "remove it",
        )
        for number, (key, value, shown) in enumerate(CODE, 1)
    ),
    *(
        bad("data as code", f"{number}. {key} in a configuration", {key: value}, key, shown, "remove it", merged)
        for number, (key, value, shown) in enumerate(CODE, 1)
    ),
    *(
        bad("boolean or unit", f"times of {name}", times, "measured_block_s", value, "is it in ms?", block_times)
        for name, times, value in (
            ("prefill", [1, 0.6, 0.001], "0.6"),
            ("a token", [1, 0.0001, 1.3], "1.3"),
            ("5 s a block", [5000, 5, 5000], "5"),
        )
    ),
    BadInput(
        "no upper bound",
        "profiler: rounds",
        lambda folder: Scope(rounds=10**9),
        "rounds = ",
        "1000000000",
        "must be at most 10,000",
    ),
)
