"""Bad traces: files that are no text, lines that are no requests, and settings of another type."""

import gzip
import json
import os
from functools import partial

from tests.robustness.bad_input import BadInput
from workloads.traces import FileTrace

HEADER = "arrival_s,input_tokens,output_tokens"
GOOD = {"arrival_s": 1, "input_tokens": 2, "output_tokens": 3}
GOOD_CSV = f"{HEADER}\n1,2,3\n"
DEEP = "[" * 100_000 + "]" * 100_000


def read(folder, name, content, options):
    """Return the requests of a file with this content."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return FileTrace(file=str(folder / name), **options).recorded


def read_path(create, folder):
    """Return the requests of a path that `create` makes of a folder."""
    return FileTrace(file=create(folder)).recorded


def packed(content):
    return gzip.compress(content.encode())


def jsonl(*rows):
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


# name of the row: file, content, part of the sentence, remedy
FILES = {
    "Latin-1": ("a.csv", f"{HEADER},café\n1,2,3,x\n".encode("latin-1"), "line 1: is not UTF-8 (byte 0xe9)", "UTF-8"),
    "Latin-1 below": ("a.csv", f"{GOOD_CSV}\xe9,2,3\n".encode("latin-1"), "line 3: is not UTF-8", "save it as CSV"),
    "UTF-16": ("a.csv", GOOD_CSV.encode("utf-16"), "is in UTF-16", "save it in UTF-8"),
    "UTF-16 JSONL": ("a.jsonl", jsonl(GOOD).encode("utf-16"), "is in UTF-16", "save it in UTF-8"),
    "UTF-16 without a mark": ("a.csv", GOOD_CSV.encode("utf-16-le"), "line 1: has NUL bytes", "in UTF-8"),
    "UTF-32": ("a.csv", GOOD_CSV.encode("utf-32"), "is in UTF-16", "save it in UTF-8"),
    "gzip under another name": ("a.csv", packed(GOOD_CSV), "is packed by gzip", "let its name end in .gz"),
    "gzip twice": ("a.csv.gz", gzip.compress(packed(GOOD_CSV)), "is packed by gzip", "name end in .gz"),
    "text under the name of gzip": ("a.csv.gz", GOOD_CSV, "is not packed by gzip", "rename it"),
    "gzip cut off": ("a.csv.gz", packed(GOOD_CSV * 99)[:-12], "cannot be unpacked", "get it again"),
    "gzip damaged": ("a.jsonl.gz", packed(GOOD_CSV)[:12] + b"\xff" * 50, "cannot be unpacked", "get it again"),
    "gzip and more": ("a.csv.gz", packed(GOOD_CSV) + b"more", "cannot be unpacked", "get it again"),
    "gzip of nothing": ("a.csv.gz", packed(""), "is empty", "give a file with the columns"),
    "gzip of zeros": ("a.csv.gz", packed("\0" * 9_000_000), "line 1: has NUL bytes", "save it as CSV"),
    "gzip of one endless line": ("a.csv.gz", packed("1" * 9_000_000), "more than 4,194,304 char", "request a line"),
    "zip": ("a.csv", b"PK\x03\x04" + bytes(99), "is a zip archive", "unpack it"),
    "spreadsheet": ("a.csv.gz", gzip.compress(b"PK\x03\x04" + bytes(99)), "spreadsheet", "save the table as CSV"),
    "Parquet": ("a.csv", b"PAR1" + bytes(99) + b"PAR1", "is Parquet", "save it as CSV"),
    "zstd": ("a.jsonl", b"\x28\xb5\x2f\xfd" + bytes(99), "is packed by zstd", "unpack it"),
    "bzip2": ("a.jsonl", b"BZh91AY", "is packed by bzip2", "unpack it"),
    "xz": ("a.jsonl", b"\xfd7zXZ\x00", "is packed by xz", "unpack it"),
    "binary": ("a.csv", b"\x7fELF\x02\x01\x01\x00\x00", "line 1: has NUL bytes", "save it as CSV"),
    "NUL in a field": ("a.csv", f"{HEADER}\n1,2\0,3\n", "line 2: has NUL bytes", "save it as CSV"),
    "empty": ("a.csv", "", "is empty", "arrival_s, input_tokens, output_tokens"),
    "blank lines": ("a.csv", "\n\n\n", "has no column arrival_s", "name its column"),
    "header only": ("a.csv", HEADER, "has a header but no requests", "add at least one line"),
    "web page": ("a.csv", "<!DOCTYPE html>\n<html>404</html>\n", "has no column arrival_s", "name its column"),
    "web page as JSONL": ("a.jsonl", "<!DOCTYPE html>\n", "line 1: is not understood as JSON", "one object a line"),
    "line of 9 MB": ("a.csv", f"{HEADER}\n1,2,{'9' * 9_000_000}\n", "line 2: has more than 4,194,304", "a line"),
    "long line of JSON": ("a.jsonl", f'{{"a": "{"x" * 9_000_000}"}}', "line 1: has more than 4,1", "a line"),
    "open quote": ("a.csv", f'{HEADER}\n1,2,"3\n4,5,6\n', "line 2: unexpected end of data", "close each quote"),
    "open quote before 5 MB": ("a.csv", f'{HEADER}\n1,"2\n' + "3,4,5\n" * 800_000, "line 2: field larger", "quote"),
    "too few fields": ("a.csv", f"{GOOD_CSV}1,2\n", "line 3: has 2 fields, but the header has 3", "all of its"),
    "too many fields": ("a.csv", f"{GOOD_CSV}1,2,3,4\n", "line 3: has 4 fields, but the header has 3", "all of its"),
    "blank line between": ("a.csv", f"{GOOD_CSV}\n2,2,3\n", "line 3: has 0 fields", "all of its fields"),
    "semicolons": ("a.csv", GOOD_CSV.replace(",", ";"), "only arrival_s;input_tokens", "separate its fields by commas"),
    "tabs": ("a.csv", GOOD_CSV.replace(",", "\t"), "has no column arrival_s", "separate its fields by commas"),
    "column twice": ("a.csv", f"{HEADER},arrival_s\n1,2,3,4\n", "more than one column arrival_s", "rename all but"),
    "20,000 columns": ("a.csv", ",".join(map(str, range(20_000))), "and 19990 more", "name its column"),
    "a title of 1 MB": ("a.csv", "x" * 10**6, "only xxxx", "name its column"),
    "CR ends lines": ("a.csv", f"{HEADER}\r1,2,3\r0,2,3\r", "line 3: arrival_s = 0 is earlier", "sort the file"),
    "CRLF ends lines": ("a.csv", f"{HEADER}\r\n1,2,3\r\n1,2,x\r\n", "line 3: output_tokens = x", "whole number"),
    "after a field of two lines": (
        "a.csv",
        f'{HEADER},p\n1,2,3,"a\nb"\n1,2,x,p\n',
        "line 4: output_tokens = x",
        "whole",
    ),
    "value of 1 MB": ("a.csv", f"{HEADER}\n1,{'7' * 10**6},3\n", "line 2: input_tokens = 7777", "must be a whole"),
    "other ending": ("a.parquet", "PAR1", "its name must end in one of", ".csv, .csv.gz, .jsonl"),
    "array": ("a.jsonl", jsonl(GOOD, [1, 2, 3]), "line 2 = [1, 2, 3]", "is not a JSON object"),
    "scalar": ("a.jsonl", jsonl(5), "line 1 = 5", "is not a JSON object"),
    "null": ("a.jsonl", jsonl(GOOD, None), "line 2 = None", "is not a JSON object"),
    "JSON document": ("a.jsonl", json.dumps([GOOD], indent=1), "line 1: is not understood", "one object a line"),
    "broken last line": ("a.jsonl", jsonl(GOOD) + '{"arrival_s": 2, "inp', "line 2: is not under", "one object a line"),
    "blank line": ("a.jsonl", jsonl(GOOD) + "\n", "line 2: is not understood as JSON", "one object a line"),
    "deep nesting": (
        "a.jsonl",
        jsonl(GOOD, DEEP),
        "line 2: is not understood as JSON (nested too",
        "one object a line",
    ),
    "deep value": ("a.jsonl", f'{{"arrival_s": {DEEP}}}', "line 1: is not understood as JSON (nested", "one object"),
    "key twice": ("a.jsonl", '{"arrival_s": 1, "arrival_s": 2}', "arrival_s appears twice", "keep one"),
    "endless digits": (
        "a.jsonl",
        f'{{"arrival_s": {"9" * 5000}}}',
        "line 1: is not understood as JSON (999",
        "one object",
    ),
    "object as a number": ("a.jsonl", jsonl(GOOD | {"input_tokens": {"_target_": "os.getcwd"}}), "os.getcwd", "whole"),
    "list of a MB": ("a.jsonl", jsonl(GOOD | {"input_tokens": [1] * 300_000}), "input_tokens = [1, 1, 1", "whole"),
    "true": ("a.jsonl", jsonl(GOOD | {"output_tokens": True}), "output_tokens = True", "must be a whole number"),
    "NaN": ("a.jsonl", jsonl(GOOD | {"arrival_s": float("nan")}), "arrival_s = nan", "must be a number of s"),
    "null as a number": ("a.jsonl", jsonl(GOOD | {"arrival_s": None}), "arrival_s = ''", "give every line all"),
    "key missing below": ("a.jsonl", jsonl(GOOD, {"arrival_s": 2}), "line 2: input_tokens = ''", "is missing"),
}

WORDS = ("nan", "-inf", "0x10", "1_000", "１２", "1,000", "true", "NA", "null", "1 000", "=1+1", "$(id)")
WHOLE = ("1e400", "-1", "1.5", "0", "1e10", "9" * 400, "1e300", "1e-5")
TIMES = (
    "1e400",
    "-1",
    "1e12",
    "1e-400x",
    "2024-13-01",
    "2024-02-30",
    "0001-01-01",
    "9999-12-31",
    "2024-01-01T00:00:00+99:00",
)

# options: first and second time, part of the sentence, remedy
PAIRS = (
    ({}, "1", "2024-01-01", "line 3: arrival_s = 2024-01-01 is a date", "give all times in one way"),
    ({}, "2024-01-01", "1", "line 3: arrival_s = 1 is a number among dates", "give all times in one way"),
    ({}, "2024-01-01T00:00+02:00", "2024-01-01T00:00+03:00", "+03:00 is earlier than the line before", "sort the file"),
    (
        {"time_unit": "s"},
        "1",
        "5e11",
        "line 3: arrival_s = 5e11 is over 3,000 years after the first",
        "check the time_unit",
    ),
    ({"time_unit": "h"}, "1", "1e308", "line 3: arrival_s = 1e308 is over 3,000 years", "check the time_unit"),
    ({}, "1700000000000000000", "1700000000000000001", "is too large for seconds", "name the time_unit"),
    ({"time_unit": "ns"}, "2024-01-01", "2", "is a date, but times are numbers in ns", "in one way"),
)

SETTINGS = {
    "window_s": (
        5,
        "abc",
        [1],
        [2, 1],
        ["a", "b"],
        [0, float("nan")],
        [None, 1],
        [True, False],
        {"a": 1, "b": 2},
        [9, 10],
    ),
    "first": (0, -1, True, "many", 1.5, [1], 10**12, 2),
    "columns": (5, "arrival", ["arrival"], {"time": "t"}, {"arrival": "input_tokens"}),
    "column": ({"arrival": "x" * 10**6}, {"arrival": "a\nb"}),
    "time_unit": ("days", 5, False, "", ["s"]),
    "format": (None, 5, ["plain"], "csv"),
    "unanswered": (None, True, "keep", ["drop"]),
    "over_length": (None, 5, "cut", {"a": "b"}),
    "slot_tokens": (0, "2048", True, 10**12),
}
OPTION = {"column": "columns"}  # where the message has another word than the option


def chain_of_links(folder):
    """Return a link that leads to itself."""
    (folder / "a.csv").symlink_to(folder / "b.csv")
    (folder / "b.csv").symlink_to(folder / "a.csv")
    return str(folder / "a.csv")


def pipe(folder):
    os.mkfifo(folder / "a.csv")
    return str(folder / "a.csv")


def link_to(target, folder):
    (folder / "a.csv").symlink_to(target)
    return str(folder / "a.csv")


def huge(folder):
    """Return a file of 10 TB that takes no space."""
    with open(folder / "a.csv", "wb") as file:
        file.truncate(10**13)
    return str(folder / "a.csv")


PATHS = {
    "no file": (lambda folder: str(folder / "no.csv"), "no.csv", "there is no such file"),
    "folder": (str, "file = ", "is not a regular file"),
    "pipe": (pipe, "a.csv", "is not a regular file"),
    "endless device": (partial(link_to, "/dev/zero"), "a.csv", "is not a regular file"),
    "memory of the process": (partial(link_to, "/proc/self/mem"), "a.csv: cannot be read", "that you can read"),
    "circle of links": (chain_of_links, "a.csv", "there is no such file"),
    "address": (lambda folder: "https://example.org/a.csv", "example.org", "there is no such file"),
    "name of 5,000 letters": (lambda folder: "a" * 5000 + ".csv", "aaaa", "there is no such file"),
    "NUL in the name": (lambda folder: "a\0.csv", "file = ", "there is no such file"),
    "number as path": (lambda folder: 5, "file = 5", "must be the path of a file"),
    "list as path": (lambda folder: ["a.csv"], "file = ['a.csv']", "must be the path of a file"),
    "10 TB": (huge, "a.csv", "has more than 17,179,869,184 bytes"),
}


def row(name, file, content, value, remedy, options=None, kind="null or wrong type", field=""):
    return BadInput(
        kind, f"trace: {name}", lambda folder: read(folder, file, content, options or {}), field, value, remedy
    )


def csv_of(**values):
    """Return a CSV of one request, with these values."""
    return f"{HEADER}\n" + ",".join(f'"{value}"' for value in ({"a": 1, "b": 2, "c": 3} | values).values())


BAD = (
    *(row(name, *fields) for name, fields in FILES.items()),
    *(row(f"time {text}", "a.csv", csv_of(a=text), text[:9], "must be a ", field="arrival_s = ") for text in WORDS),
    *(row(f"time {text}", "a.csv", csv_of(a=text), text[:9], "", field="line 2: arrival_s = ") for text in TIMES),
    *(
        row(f"{text[:9]} tokens", "a.csv", csv_of(b=text), text[:9], "must be ", field="line 2: input_tokens = ")
        for text in (*WORDS, *WHOLE)
    ),
    *(row(f"{text[:9]} output", "a.csv", csv_of(c=text), text[:9], "must be", field="output_tokens") for text in WHOLE),
    *(
        row(f"times {first} and {second}", "a.csv", f"{HEADER}\n{first},1,1\n{second},1,1\n", value, remedy, options)
        for options, first, second, value, remedy in PAIRS
    ),
    *(
        row(f"{field} = {str(value)[:30]}", "a.csv", GOOD_CSV, "", "", {OPTION.get(field, field): value}, field=field)
        for field, values in SETTINGS.items()
        for value in values
    ),
    *(
        BadInput("null or wrong type", f"trace: {name}", partial(read_path, create), "", value, remedy)
        for name, (create, value, remedy) in PATHS.items()
    ),
)
