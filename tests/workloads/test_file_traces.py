"""Traces of one's own: formats, kinds of files and times, requests without an answer, and errors for faulty files."""

import csv
import gzip
import json
import tracemalloc
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from system import InputError, RandomStreams
from workloads import trace_files
from workloads.datasets import sha256_of
from workloads.trace_formats import trace_format
from workloads.traces import FileTrace

TITLES = ("arrival_s", "input_tokens", "output_tokens")
# The same four requests in each format, 0, 0.5, 0.5 and 3.25 s after the first.
SECONDS = [12.0, 12.5, 12.5, 15.25]
LENGTHS = [(100, 1), (200, 50), (90, 30), (10, 120)]
BURSTGPT = ("Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type")
FILES = {
    "plain": ("a.csv", [TITLES, *((t, *x) for t, x in zip(SECONDS, LENGTHS, strict=True))]),
    "azure": (
        "a.csv",
        [
            ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
            *((f"2024-05-10 00:00:{t:09.6f}+00:00", *x) for t, x in zip(SECONDS, LENGTHS, strict=True)),
        ],
    ),
    "burstgpt": (
        "a.csv",
        [BURSTGPT, *((t, "GPT-4", a, b, a + b, "API log") for t, (a, b) in zip(SECONDS, LENGTHS, strict=True))],
    ),
    "mooncake": (
        "a.jsonl",
        [
            {"timestamp": round(1000 * t), "input_length": a, "output_length": b, "hash_ids": [1, 2]}
            for t, (a, b) in zip(SECONDS, LENGTHS, strict=True)
        ],
    ),
    "bailian": (
        "a.jsonl",
        [
            {"chat_id": 1, "parent_chat_id": -1, "timestamp": t, "input_length": a, "output_length": b, "type": "text"}
            for t, (a, b) in zip(SECONDS, LENGTHS, strict=True)
        ],
    ),
    "servegen": (
        "a.csv",
        [("request_id", "timestamp", "input_tokens", "output_tokens")]
        + [(n, t, *x) for n, (t, x) in enumerate(zip(SECONDS, LENGTHS, strict=True))],
    ),
}


def written(path, rows):
    """Write rows as CSV or JSONL; return the path."""
    is_json = ".jsonl" in path.name
    lines = [json.dumps(row) if is_json else ",".join(map(str, row)) for row in rows]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def requests_of(path, **options):
    recorded = FileTrace(file=str(path), **options).recorded
    return recorded.arrival_s.tolist(), list(zip(recorded.input_tokens, recorded.output_tokens, strict=True))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", FILES)
def test_each_format_is_read_by_its_name(tmp_path, name, ending):
    file, rows = FILES[name]
    arrival_s, lengths = requests_of(written(tmp_path / (file + ending), rows), format=name)
    np.testing.assert_allclose(arrival_s, np.subtract(SECONDS, SECONDS[0]), rtol=0, atol=1e-9)
    assert lengths == LENGTHS


def test_plain_numbers_are_never_years(tmp_path):
    rows = [("TIMESTAMP", "ContextTokens", "GeneratedTokens"), (1700, 5, 5), (1701, 5, 5), (1800, 5, 5)]
    trace = FileTrace(file=written(tmp_path / "a.csv", rows), format="azure")
    assert trace.recorded.arrival_s.tolist() == [0, 1, 100]
    assert trace.native_rate_per_s == pytest.approx(2 / 100)


@pytest.mark.parametrize(
    ("unit", "seconds"), [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1), ("min", 60), ("h", 3600)]
)
def test_units_of_plain_numbers(tmp_path, unit, seconds):
    file = written(tmp_path / "a.csv", [TITLES, (20, 1, 1), (50, 1, 1)])
    assert requests_of(file, time_unit=unit)[0] == pytest.approx([0, 30 * seconds])


def test_columns_of_a_file_of_ones_own(tmp_path):
    file = written(tmp_path / "a.jsonl", [{"t": 3, "in": 5, "out": 6}, {"t": 4, "out": 8, "in": 7}])
    columns = {"arrival": "t", "input_tokens": "in", "output_tokens": "out"}
    assert requests_of(file, columns=columns) == ([0, 1], [(5, 6), (7, 8)])
    kept = {"arrival": "t", "input_tokens": None, "output_tokens": None}
    assert trace_format("servegen", kept).columns == ("t", "input_tokens", "output_tokens")


def plain_requests(file, is_kept):
    """Return times and lengths as the csv module reads them."""
    with open(file, newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if is_kept(int(row["output_tokens"]))]
    first = datetime.fromisoformat(rows[0]["arrival_s"])
    times = [(datetime.fromisoformat(row["arrival_s"]) - first).total_seconds() for row in rows]
    return times, [(int(row["input_tokens"]), max(int(row["output_tokens"]), 1)) for row in rows]


@pytest.mark.parametrize(("unanswered", "least"), [("drop", 1), ("one_token", 0)])
@pytest.mark.parametrize("first", [None, 3, 17])
def test_chunks_make_no_difference(tmp_path, monkeypatch, unanswered, least, first):
    rng = np.random.default_rng(5)
    ms, lengths = np.cumsum(rng.integers(0, 900, 40)), rng.integers([1, 0], [50, 4], (40, 2))
    rows = [(f"2024-05-10 00:00:{t / 1000:09.6f}", a, b) for t, (a, b) in zip(ms, lengths, strict=True)]
    rows[0] = (rows[0][0], 7, 7)
    file = written(tmp_path / "a.csv", [TITLES, *rows])
    times, tokens = plain_requests(file, lambda output: output >= least)
    counts = []
    for size in (40, 7, 1):
        monkeypatch.setattr(trace_files, "CHUNK_LINES", size)
        trace_files._read.cache_clear()
        trace = FileTrace(file=file, unanswered=unanswered, first=first)
        counts.append(trace.unanswered_requests)
        recorded = trace.recorded
        np.testing.assert_allclose(recorded.arrival_s, times[:first], rtol=0, atol=1e-9)
        assert list(zip(recorded.input_tokens, recorded.output_tokens, strict=True)) == tokens[:first]
    last = rows.index(next(row for row in reversed(rows) if row[2] >= least)) if first is None else None
    if first is None and unanswered == "one_token":
        assert counts[0] == sum(output == 0 for *_, output in rows)
    if first is None and unanswered == "drop":
        assert counts[0] == sum(output == 0 for *_, output in rows[:last])
    assert len(set(counts)) == 1


def test_the_rest_of_a_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_files, "CHUNK_LINES", 3)
    file = written(tmp_path / "a.csv", [TITLES, (1, 1, 1), (2, 1, 1), (3, 1, 1), ("late", 1, 1)])
    assert len(FileTrace(file=file, first=2).recorded) == 2
    with pytest.raises(InputError, match="line 5: arrival_s = late must be a number of s"):
        _ = FileTrace(file=file).recorded


def test_memory_does_not_grow_with_the_file_if_the_first_requests_are_wanted(tmp_path):
    def peak_mb(count):
        file = tmp_path / f"{count}.csv"
        file.write_text(",".join(TITLES) + "\n" + "7.25,1234,123\n" * count)
        tracemalloc.start()
        assert len(FileTrace(file=str(file), first=1000).recorded) == 1000
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        return peak

    assert peak_mb(300_000) < 1.3 * peak_mb(25_000) < 40


PLAIN = ",".join(TITLES)
ROW = b'{"arrival_s": 1, "input_tokens": 2, "output_tokens": 3}\n'


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (
            ["t,prompt,answer", "1,1,1"],
            {},
            r"has no column arrival_s, only t, .*: name its column in columns",
        ),
        (
            ["timestamp,input_length,output_length", "1,1,1"],
            {},
            r"timestamp, .*: use format mooncake or bailian without",
        ),
        (
            [PLAIN, "5,1,1", "4,1,1"],
            {},
            r"line 3: arrival_s = 4 is earlier than the line before; sort the file",
        ),
        ([PLAIN, "-5,1,1"], {}, r"line 2: arrival_s = -5 must be a number of s, 0 or above"),
        ([PLAIN, "1700000000000,1,1"], {}, r"line 2: arrival_s = 17.* is too large for seconds; name the time_unit"),
        ([PLAIN, "1,1,1", ",1,1"], {}, r"line 3: arrival_s = '' is missing"),
        ([PLAIN, "1,1,1", "2024-01-01 00:00:00,1,1"], {}, r"line 3: arrival_s = 2024-01-01 00:00:00 is a date, but"),
        ([PLAIN, "2024-01-01 00:00:00,1,1", "7,1,1"], {}, r"line 3: arrival_s = 7 is a number among dates"),
        ([PLAIN, "2024-01-01 00:00:00,1,1"], {"time_unit": "ms"}, r"line 2: .* is a date, but times are numbers in ms"),
        ([PLAIN, "17,1,1"], {"time_unit": "date"}, r"line 2: arrival_s = 17 is a number among dates"),
        ([PLAIN, "2024-13-01,1,1"], {}, r"line 2: arrival_s = 2024-13-01 must be a time such as 2023"),
        ([PLAIN, "1,0,1"], {}, r"line 2: input_tokens = 0 must be a whole number of at least 1"),
        ([PLAIN, "1,-3,1"], {"unanswered": "drop"}, r"line 2: input_tokens = -3 must be a whole number of at least 1"),
        ([PLAIN, "1,5,0"], {}, r"line 2: output_tokens = 0 must be .* set unanswered to drop or one_token"),
        ([PLAIN, "1,5,-1"], {"unanswered": "drop"}, r"line 2: output_tokens = -1 must be a whole number"),
        ([PLAIN, "1,5,0"], {"unanswered": "drop"}, r"has no request with an answer: set unanswered to one_token"),
        ([PLAIN, "1,5,5"], {"time_unit": "days"}, r"time_unit = days: must be one of ns, us, ms, s, min, h, date"),
        ([PLAIN, "1,5,5"], {"unanswered": "keep"}, r"unanswered = keep: must be one of refuse, drop, one_token"),
        ([PLAIN, "1,5,5"], {"format": "burst"}, r"format = burst: unknown; did you mean burstgpt\?"),
        ([PLAIN, "1,5,5"], {"columns": {"input": "x"}}, r"columns = input: unknown; did you mean input_tokens"),
        ([PLAIN, "1,5,5"], {"columns": {"arrival": "input_tokens"}}, r"columns = .*: must be three different columns"),
        ([PLAIN, "1,5,5"], {"first": 2}, r"first = 2: a.csv has only 1 request; use fewer"),
        ([PLAIN, "1,5,5"], {"sha256": "0" * 64}, r"file = .*a.csv: it changed after the command was started"),
    ],
)
def test_errors_name_the_line_and_the_remedy(tmp_path, lines, options, message):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=message):
        _ = FileTrace(file=str(path), **options).recorded


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", ROW + b"[1]\n", r"line 2 = \[1\]: is not a JSON object"),
        (
            "a.jsonl",
            b'{"arrival_s": 1, "input_tokens": 2, "output_tokens": 3}\n{}\n',
            r"line 2: arrival_s = '' is missing",
        ),
        (
            "a.jsonl",
            b'{"arrival_s": true, "input_tokens": 2, "output_tokens": 3}\n',
            r"line 1: arrival_s = True must be",
        ),
        (
            "a.jsonl",
            b'{"arrival_s": 1, "input_tokens": 2}\n',
            r"has no column output_tokens, only arrival_s",
        ),
        ("a.jsonl", b"", r"is empty: give a file with the keys arrival_s"),
        (
            "a.csv.gz",
            b"arrival_s,input_tokens,output_tokens\n",
            r"is not packed by gzip, although its name ends in .gz: rename it",
        ),
        ("a.csv", b"\xff\xfe1\n", r"is in UTF-16; save it in UTF-8"),
        ("a.txt", b"1\n", r"its name must end in one of .csv, .csv.gz, .jsonl, .jsonl.gz"),
    ],
)
def test_errors_of_other_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        _ = FileTrace(file=str(tmp_path / name)).recorded


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"file = no.csv: there is no such file"):
        FileTrace(file="no.csv")


def test_a_known_checksum_is_accepted_and_jobs_are_the_same_in_every_draw(tmp_path):
    file = written(tmp_path / "a.csv", FILES["plain"][1])
    trace = FileTrace(file=file, sha256=sha256_of(Path(file)))
    first, other = (trace.jobs(None, RandomStreams(1, draw)) for draw in (0, 3))
    np.testing.assert_array_equal(first.arrival_s, other.arrival_s)
    np.testing.assert_array_equal(first.lengths, other.lengths)
    assert (first.uniform != other.uniform).all()  # for policies that choose at random
