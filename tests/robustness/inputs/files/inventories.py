"""Bad inventories and layouts of `plan.py`, and bad lists of servers for `cluster=inventory`."""

from functools import partial

import yaml
from omegaconf.errors import OmegaConfBaseException

from hardware_profiles.listed.cluster import read_list
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from system.errors import input_error_behind
from tests.robustness.bad_input import BadInput
from tests.support.changes import NOTHING, changed
from tests.support.project import case_of

INVENTORY = {
    "model": {"preset": "llama3_8b", "weights": "int8"},
    "cache_tokens": 2048,
    "orchestrator": "Frankfurt",
    "servers": [
        {"name": "big", "gpu": "rtx_3090", "region": "Paris", "cost_per_hour": 1},
        {
            "name": "box",
            "count": 3,
            "cost_per_hour": 1,
            "memory_gb": 24,
            "prefill_tflops": 71,
            "bandwidth_gb_per_s": 936,
            "rtt_ms": 1,
        },
    ],
    "overheads": {"prefill_ms": 5, "token_ms": 2},
    "workload": {"rate_per_s": 0.5, "input_tokens": 500, "output_tokens": 100},
    "goal": {"minimise": "mean"},
}
SHAPE = {"name": "own", "family": "llama", "block_count": 32, "hidden_size": 4096, "heads": 32, "kv_heads": 8}
SHAPE |= {"intermediate_size": 14336}
LAYOUT = INVENTORY | {
    "servers": [{"name": name, "gpu": "rtx_3090", "rtt_ms": 1, "blocks": "0:32"} for name in ("a", "b")],
    "chains": [{"servers": ["a"], "capacity": 2}],
}
TABLE = {"servers": [{"name": "a", "gpu": "t4", "region": "x"}], "orchestrator": "x"}


def read_changed(read, content, path, value, folder):
    """Read a file with the changed content."""
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(changed(content, path, value)))
    return read(file)


def listed(text, folder):
    """Read the servers that a file lists for `cluster=inventory`."""
    (folder / "mine.yaml").write_text(text)
    return read_list(str(folder / "mine.yaml"))


def composed(text, folder):
    """Compose a configuration with the servers that a file lists."""
    (folder / "mine.yaml").write_text(text)
    try:
        return case_of("cluster=inventory", f"cluster.file={folder / 'mine.yaml'}")
    except OmegaConfBaseException as error:
        raise input_error_behind(error) from error


# Values that are no number, with the words in which they are shown.
NO_NUMBERS = {
    "null": (None, " is missing", ""),
    "text": ("many", "many", "must be a"),
    "a number in quotes": ("1e3", "1e3", "is read as text; write 1000"),
    "a number with underscores": ("1_000", "1_000", "is read as text; write 1000"),
    "a list": ([1], "[1]", "must be a"),
    "a mapping": ({"a": 1}, "{'a': 1}", "must be a"),
    "true": (True, "True", "must be a"),
    "negative": (-1, "-1", "must be a"),
    "not a number": (float("nan"), "nan", "must be a"),
    "infinite": (float("inf"), "inf", "must be a"),
}
NUMBERS = (
    "cache_tokens",
    "servers.1.count",
    "servers.1.memory_gb",
    "servers.1.prefill_tflops",
    "servers.1.bandwidth_gb_per_s",
    "servers.1.rtt_ms",
    "servers.0.cost_per_hour",
    "overheads.prefill_ms",
    "workload.rate_per_s",
    "workload.input_tokens",
)
# Path, value, shown value and remedy.
SHAPES = (
    ("servers", 5, "5", "must be a list of at least one server"),
    ("servers", {}, "{}", "must be a list of at least one server"),
    ("servers", [], "[]", "must be a list of at least one server"),
    ("servers", None, "is missing", "give a list of servers"),
    ("servers", "all", "all", "must be a list of at least one server"),
    ("servers.0", [1], "[1]", "must be a mapping with keys"),
    ("servers.0", None, "None", "must be a mapping with keys"),
    ("servers.0.name", "", "''", "must be a name of its own"),
    ("servers.0.name", ["a"], "['a']", "must be a name of its own"),
    ("servers.0.name", True, "True", "must be a name of its own"),
    ("servers.0.name", "n" * 10**5, "nnn...nnn", "has 100,000 characters; give at most 200"),
    ("servers.0.name", "a\nb", r"a\nb", "has a line break or control character"),
    ("servers.0.name", "\x1b[2J", r"\x1b[2J", "has a line break or control character"),
    ("servers.0.gpu", 5, "5", "there is no such GPU profile"),
    ("servers.0.gpu", ["t4"], "['t4']", "must be the name of a profile"),
    ("servers.0.gpu", "g" * 10**5, "ggg...ggg", "characters; give at most"),
    ("servers.0.gpu", "../../etc/passwd.yaml", "passwd", "there is no such GPU profile"),
    ("servers.0.region", 5, "5", "unknown"),
    ("servers.0.region", [], "[]", "must be [latitude, longitude]"),
    ("servers.0.region", {"a": 1}, "{'a': 1}", "unknown"),
    ("servers.0.region", [91, 0], "[91, 0]", "must be [latitude, longitude]"),
    ("servers.0.region", [True, 0], "[True, 0]", "must be [latitude, longitude]"),
    ("servers.0.region", "r" * 10**5, "rrr...rrr", "unknown"),
    ("orchestrator", None, "is missing", "give a city"),
    ("orchestrator", 5, "5", "unknown"),
    ("model", [], "[]", "must be a preset's name"),
    ("model", None, "is missing", "give a preset's name"),
    ("model", 5, "5", "unknown"),
    ("model", {}, "[]", "give exactly one of preset, config, shape"),
    ("model.preset", {"a": 1}, "{'a': 1}", "must be a preset's name"),
    ("model.weights", [4], "[4]", "must be one of"),
    ("model", {"shape": 5}, "5", "must be a mapping with keys"),
    ("model", {"config": "/dev/zero"}, "/dev/zero", ""),
    ("workload", None, "is missing", "give rate_per_s"),
    ("workload", 5, "5", "must be a mapping with keys"),
    ("workload", "fast", "fast", "must be a mapping with keys"),
    ("workload.rate_per_s", NOTHING, "is missing", "give requests per second"),
    ("workload", {"trace": __file__, "columns": 5}, "5", "must be a mapping of columns to their titles"),
    ("workload", {"trace": "/dev/zero"}, "/dev/zero", "there is no such file"),
    ("workload", {"trace": "t\0.csv"}, r"t\x00.csv", "control character"),
    ("overheads", None, "is missing", "give a mapping"),
    ("overheads", [5, 2], "[5, 2]", "must be a mapping with keys"),
    ("goal", None, "is missing", "give mean, p95"),
    ("goal", "fast", "fast", "must be mean or a percentile"),
    ("goal", {}, "[]", "give exactly one of"),
    ("goal.minimise", 95, "95", "must be mean or a percentile"),
    ("goal.minimise", ["p95"], "['p95']", "must be mean"),
    ("goal.minimise", "p95" * 10**4, "p95p95", "characters; give at most"),
    ("goal", {"cheapest": 5}, "5", "must be a mapping with keys"),
    ("goal", {"cheapest": {"quantile": True, "slo_s": 5}}, "True", "must be a finite number"),
    ("service", None, "is missing", "give the name of a service model"),
    ("service", 5, "5", "unknown"),
    ("service", ["steps"], "['steps']", "must be the name of a service model"),
    ("service", {"name": "../metric/cost"}, "../metric/cost", "unknown"),
    ("rtt_between_servers_ms", "x", "x", "must be a finite number"),
    ("rtt_between_servers_ms", [1], "[1]", "must be a finite number"),
    ("rtt_between_regions_ms", 5, "5", "must be a mapping of regions"),
    ("rtt_between_regions_ms", {}, "{}", "must be a mapping of regions"),
    ("rtt_between_regions_ms", {"x": 5}, "5", "must be a mapping of regions to ms"),
    ("rtt_between_regions_ms", {"x": {"x": "near"}}, "near", "must be a finite number"),
)
BOUNDS = (
    ("servers.1.count", 10**12, "1000000000000", "must be at most 1,000,000"),
    ("servers.1.count", 10**299, "1000", "must be at most 1,000,000"),
    ("servers", [{"name": n, "count": 10**6} for n in "ab"], "2000000", "must be at most 1,000,000"),
    ("cache_tokens", 10**15, "1000000000000000", "must be at most 1,000,000,000"),
    ("model", {"shape": SHAPE | {"block_count": 10**9}}, "1000000000", "must be at most"),
    ("model", {"shape": SHAPE | {"hidden_size": 10**30}}, "1000", "must be at most 10,000,000"),
    ("model", {"shape": SHAPE | {"name": "m" * 10**5}}, "mmm...mmm", "give at most 200"),
    ("workload.rate_per_s", 1e12, "1000000000000.0", "must be at most 1,000,000"),
    ("workload.input_tokens", 1e12, "1000000000000.0", "must be at most 1,000,000,000"),
    ("goal", {"cheapest": {"quantile": 0.9, "slo_s": 1e30}}, "1e+30", "must be at most"),
)
UNITS = (
    ("servers.1.memory_gb", 24576, "24576", "is it in MB? Give 24"),
    ("servers.1.memory_gb", 24e9, "24000000000.0", "is it in bytes? Give 24"),
    ("servers.1.memory_gb", 15360, "15360", "is it in MB? Give 15"),
    ("servers.1.prefill_tflops", 125e12, "125000000000000.0", "is it in FLOP/s? Give 125"),
    ("servers.1.bandwidth_gb_per_s", 600e9, "600000000000.0", "is it in bytes/s? Give 600"),
    ("servers.1.bandwidth_gb_per_s", 0.6, "0.6", "is it in TB/s? Give 600"),
    ("servers.1.bandwidth_gb_per_s", 600_000, "600000", "is it in MB/s? Give 600"),
    ("servers.1.overhead_ms", 1000, "1000", "is it in µs? Give 1"),
    ("servers.1.rtt_ms", 10**6, "1000000", "is it in µs? Give 1000"),
    ("servers.0.cost_per_hour", 1e12, "1000000000000.0", "check the number of zeros"),
    ("overheads.token_ms", 10**6, "1000000", "is it in µs?"),
    ("rtt_between_servers_ms", 10**6, "1000000", "is it in µs?"),
)
LAYOUTS = (
    ("servers.0.blocks", None, "is missing", "give the range of its blocks"),
    ("servers.0.blocks", 18, "18", "must be the range of its blocks"),
    ("servers.0.blocks", [0, 32], "[0, 32]", "must be the range of its blocks"),
    ("servers.0.blocks", "0:1e9", "0:1e9", "must be the range of its blocks"),
    ("servers.0.blocks", "0:" + "9" * 5000, "0:999", "must be the range of its blocks"),
    ("servers.0.blocks", "0:999999999", "0 to 999999998", "host 999999967 fewer"),
    ("servers.0.blocks", "-1:5", "-1:5", "must be the range of its blocks"),
    ("servers.0.blocks", "٠:٣", "٠:٣", "must be the range of its blocks"),
    ("chains", None, "is missing", "give a list of chains"),
    ("chains", 5, "5", "must be a list of at least one chain"),
    ("chains", {}, "{}", "must be a list of at least one chain"),
    ("chains.0", 5, "5", "must be a mapping with keys"),
    ("chains.0.servers", "a", "a", "must be a list of names"),
    ("chains.0.servers", [["a"]], "['a']", "there is no such server"),
    ("chains.0.servers", [None], "None", "there is no such server"),
    ("chains.0.capacity", 10**12, "1000000000000", "must be at most 1,000,000,000"),
    ("chains.0.capacity", 1.5, "1.5", "must be a whole number"),
    ("servers", 5, "5", "must be a list of at least one server"),
)
CLUSTERS = (
    ("an interpolation", "servers: [{gpu: '${oc.env:HOME}', rtt_ms: 1}]", "${oc.env:HOME}", "instruction to Hydra"),
    ("no servers", "servers: null", "is missing", "give a list of servers"),
    ("a list", "[1]", "[1]", "must be a mapping with keys"),
    ("a word", "servers", "servers", "must be a mapping with keys"),
    ("nothing", "", "None", "must be a mapping with keys"),
    ("a repeated key", "servers: [{gpu: t4, gpu: l4}]", "gpu", "keep one"),
)


def words(path):
    """Return the words by which a message names the field at a path."""
    *_, parent, last = ("", *path.split("."))
    return parent.rstrip("s") if last.isdigit() else last


def rows(kind, read, content, table):
    """Return a bad input for each line of a table."""
    return [
        BadInput(
            kind,
            f"{read.__name__}: {path} {number}",
            partial(read_changed, read, content, path, value),
            words(path),
            shown.split("...")[0],
            remedy,
        )
        for number, (path, value, shown, remedy) in enumerate(table)
    ]


BAD = (
    *rows("null or wrong type", read_inventory, INVENTORY, SHAPES),
    *rows("no upper bound", read_inventory, INVENTORY, BOUNDS),
    *rows("boolean or unit", read_inventory, INVENTORY, UNITS),
    *rows("null or wrong type", read_layout, LAYOUT, LAYOUTS),
    *(
        BadInput(
            "null or wrong type",
            f"{path}: {name}",
            partial(read_changed, read_inventory, INVENTORY, path, value),
            words(path),
            shown,
            remedy,
        )
        for path in NUMBERS
        for name, (value, shown, remedy) in NO_NUMBERS.items()
    ),
    *(
        BadInput("data as code", f"cluster file: {name}", partial(listed, text), "", value, remedy)
        for name, text, value, remedy in CLUSTERS
    ),
    BadInput(
        "data as code",
        "cluster file: an instruction",
        partial(composed, "servers: [{gpu: t4, rtt_ms: 1, _target_: os.abort}]"),
        "key of servers",
        "_target_",
        "instruction to Hydra",
    ),
)
