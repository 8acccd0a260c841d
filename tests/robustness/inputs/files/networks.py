"""Bad networks: files that are damaged or something else, impossible round trips, and data sets that are not there."""

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from hardware_profiles.networks.draw import NetworkDraw
from hardware_profiles.networks.european import European
from hardware_profiles.networks.local import Local
from hardware_profiles.networks.ripe import LATENCY_COLUMNS, RipeMeasured, RipeSynthetic
from hardware_profiles.networks.topology_zoo import TopologyZoo
from tests.robustness.bad_input import BadInput
from workloads.datasets import DataSet

COLUMNS = ("anchor_id", *LATENCY_COLUMNS, "latitude", "longitude")
GOOD = {"anchor_id": "a", **dict.fromkeys(LATENCY_COLUMNS, "10"), "latitude": "50", "longitude": "10"}
BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "lol">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><graphml>&x;</graphml>'


@dataclass(frozen=True)
class OneFile:
    """A data set that is this file."""

    file: Path

    def path(self):
        return self.file


def drawn(network, content, folder):
    """Return a draw of one server from a network whose file has this content."""
    path = folder / "network"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return network(OneFile(path)).draw(1, np.random.default_rng(0))


def ripe(**values):
    """Return a file of two anchors, the second with these values."""
    rows = (COLUMNS, GOOD.values(), (GOOD | {"anchor_id": "b"} | values).values())
    return "".join(",".join(row) + "\n" for row in rows)


def graph(nodes=2, edges=2, end="1", delay="1000"):
    """Return a topology of two nodes, with these numbers in it."""
    head = f"NODES {nodes}\nlabel x y\na 0 0\nb 1 0\n"
    return f"{head}\nEDGES {edges}\nlabel src dest weight bw delay\ne0 0 {end} 1 1 {delay}\ne1 1 0 1 1 {delay}\n"


NOT_TEXT = {
    "nothing": (b"", "get the file again", "has no"),
    "binary": (b"\x00\x01\x02", "give a file in UTF-8", "is not text"),
    "UTF-16": (graph().encode("utf-16"), "save it in UTF-8", "is in UTF-16"),
    "Latin-1": (b"\xe9 5\n", "save it in UTF-8", "byte 0xe9"),
    "packed": (b"\x1f\x8b\x08\x00", "unpack it", "compressed"),
    "20 MB": (b"a" * 20_000_000, "give a smaller file", "more than 16,777,216"),
}
NO_GRAPHS = {
    "web page": ("<!DOCTYPE html>\n", "must be NODES and the number of rows", "<!DOCTYPE html>"),
    "GraphML": ('<?xml version="1.0"?>\n<graphml></graphml>\n', "must be NODES", "<?xml"),
    "entities that grow": (BOMB, "must be NODES", "<?xml"),
    "entity of a file": (EXTERNAL, "must be NODES", "<?xml"),
    "line of 9 MB": ("x" * 9_000_000, "must be NODES", "xxxx...xxxx"),
    "fewer than 0 nodes": (graph(nodes=-1), "must be NODES and the number of rows", "NODES -1"),
    "no nodes": (graph(nodes=0), "must be above 0", "NODES 0"),
    "nodes of 5,000 digits": (graph(nodes="9" * 5000), "must be NODES and the number", "NODES 9999"),
    "a billion nodes": (graph(nodes=10**9), "must be NODES and the number of rows", "NODES 1000000000"),
    "half a node": (graph(nodes=1.5), "must be NODES and the number of rows", "NODES 1.5"),
    "a million links": (graph(edges=10**6), "the number of rows, here 2", "EDGES 1000000"),
    "end of another network": (graph(end="2"), "must be a number from 0 to 1", "node 2"),
    "end below 0": (graph(end="-1"), "must be a number from 0 to 1", "node -1"),
    "end of 5,000 digits": (graph(end="9" * 5000), "must be a number from 0 to 1", "node 9999"),
    "end as text": (graph(end="x" * 10**6), "must be a number from 0 to 1", "node xxxx"),
    "nobody's end": (graph(end="0"), "must be connected", "no path leads from a to b"),
    "too many nodes": (
        "NODES 6000\nl x y\n" + "a 0 0\n" * 6000 + graph().partition("\n\n")[2],
        "use a smaller network",
        "6000",
    ),
    **{
        f"delay {delay[:9]}": (graph(delay=delay), "must be a number of microseconds above 0", f"delay {delay[:9]}")
        for delay in ("-1", "0", "nan", "inf", "1e400", "x" * 10**6, "1e15", "0x10")
    },
}
NO_LATENCIES = ("-1", "0", "nan", "inf", "1e400", "1e9", "", "x", "0x10", "1,5", "9" * 10**5)
NO_COORDINATES = ("91", "-91", "1e300", "nan", "north", "")
NO_ANCHORS = {
    "no column": ("anchor_id,latency_m1\na,1\n", "must have the names of all columns", "latency_m2"),
    "column twice": (ripe().replace("longitude\n", "longitude,latitude\n"), "rename all but one", "latitude"),
    "header only": (",".join(COLUMNS), "get the file again", "has no measurements"),
    "web page": ("<!DOCTYPE html>\n", "must have the names of all columns", "anchor_id"),
    "too few fields": (f"{ripe()}c,1\n", "correct or remove the line", "line 4"),
    "too many fields": (f"{ripe()}{','.join('123456789')}\n", "correct or remove the line", "line 4"),
    "open quote": (f'{ripe()}"c,1\n', "get the file again", "unexpected end of data"),
}
NO_ROUND_TRIPS = (-1e-9, -1.0, float("nan"), float("inf"), 1e300, 3601.0)


def between(value):
    """Return a draw of two servers with this time between them."""
    return NetworkDraw(np.array([0.1, 0.1]), ("a", "b"), np.array([[0.0, 0.1], [value, 0.0]]))


# Other content of a data set under its name in CHAIN_DATA
OTHERS = {
    "cut off": graph()[:-9].encode(),
    "web page": b"<!DOCTYPE html>",
    "nothing": b"",
    "other line ends": graph().replace("\n", "\r\n").encode(),
}


def data_set(folder):
    return DataSet("zoo", "zoo.graph", "https://localhost/zoo", hashlib.sha256(graph().encode()).hexdigest(), "", "")


def checked(content, folder):
    """Return the path of a data set whose file has another content."""
    (folder / "zoo.graph").write_bytes(content)
    with patch.dict(os.environ, CHAIN_DATA=str(folder)):
        return data_set(folder).path()


def in_folder(value, folder):
    """Return the path of the data set when CHAIN_DATA has this value."""
    with patch.dict(os.environ, CHAIN_DATA=value):
        return data_set(folder).path()


def row(name, run, value, remedy, field="", kind="null or wrong type"):
    return BadInput(kind, f"network: {name}", run, field, value, remedy)


BAD = (
    *(
        row(f"topology, {name}", partial(drawn, TopologyZoo, text), value, remedy)
        for name, (text, remedy, value) in (NOT_TEXT | NO_GRAPHS).items()
    ),
    *(
        row(f"anchors, {name}", partial(drawn, RipeSynthetic, text), value, remedy)
        for name, (text, remedy, value) in (NOT_TEXT | NO_ANCHORS).items()
        if name not in ("nothing", "20 MB")
    ),
    *(
        row(
            f"latency {text[:9]}",
            partial(drawn, RipeMeasured, ripe(latency_m2=f'"{text}"')),
            text[:9],
            "must be a number between 0 and 10,000",
            "line 3: latency_m2 = ",
        )
        for text in NO_LATENCIES
    ),
    *(
        row(
            f"latitude {text[:9]}",
            partial(drawn, RipeMeasured, ripe(latitude=text)),
            text,
            "must be a number between -90 and 90",
            "line 3: latitude = ",
        )
        for text in NO_COORDINATES
    ),
    *(
        row(
            f"round trip {value}",
            lambda folder, value=value: NetworkDraw(np.array([value]), ("a",)),
            "",
            "must",
            "rtt_s",
        )
        for value in NO_ROUND_TRIPS
    ),
    *(
        row(
            f"time between servers {value}",
            lambda folder, value=value: between(value),
            str(value)[:4],
            "check the units",
            "server_rtt_s = ",
        )
        for value in NO_ROUND_TRIPS
    ),
    *(
        row(f"data set, {name}", partial(checked, content), "zoo.graph has SHA-256", "replace it with the one from")
        for name, content in OTHERS.items()
    ),
    row(
        "data folder that is none",
        partial(in_folder, "/nowhere"),
        "CHAIN_DATA = /nowhere",
        "name one with the data, or unset it",
    ),
    row(
        "data folder of 5,000 letters",
        partial(in_folder, "x" * 5000),
        "CHAIN_DATA = xxxx",
        "name one with the data, or unset it",
    ),
    row(
        "data folder that is a file",
        partial(in_folder, "/dev/null"),
        "CHAIN_DATA = /dev/null",
        "name one with the data, or unset it",
    ),
    *(
        row(
            f"{field} = {value}", lambda folder, field=field, value=value: European(**{field: value}), "", "must", field
        )
        for field in ("access_min_ms", "access_max_ms", "path_ms_per_km", "scatter_km")
        for value in (-1, "far", None, True, float("inf"), float("nan"), [1])
    ),
    *(
        row(
            f"{network.__name__} of {count} servers",
            lambda folder, network=network, count=count: network().draw(count, np.random.default_rng(0)),
            "",
            "must be",
            "server_count",
            "no upper bound",
        )
        for network in (European, Local)
        for count in (0, -1, 10**12, 2.5, "many", True, None)
    ),
)
