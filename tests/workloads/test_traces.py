"""Replayed traces: selections, rates, over-long requests, and the errors for faulty files."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from system import InputError, RandomStreams
from workloads.datasets import DataSet
from workloads.traces import TraceWorkload

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
# The requests arrive 0, 0.5, 2, 3.0000001 and 8 seconds after the first.
ROWS = [
    "2023-11-16 23:59:58.5000000,100,1",
    "2023-11-16 23:59:59.0000000,200,50",
    "2023-11-17 00:00:00.5000000,90,30",
    "2023-11-17 00:00:01.5000001,10,120",
    "2023-11-17 00:00:06.5000000,100,20",
]


@pytest.fixture
def data_set_of(tmp_path, monkeypatch):
    """Return a function that makes a data set of lines.

    As in the published files, the last line has no line end.
    """
    monkeypatch.setenv("CHAIN_DATA", str(tmp_path))

    def make(lines, end="\r\n"):
        content = end.join(lines).encode()
        (tmp_path / "tiny.csv").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return DataSet("tiny", "tiny.csv", "https://localhost/tiny.csv", sha256, "none", "nobody")

    return make


@pytest.fixture
def tiny(data_set_of):
    return data_set_of([HEADER, *ROWS])


def test_requests_become_jobs_of_size_one(tiny):
    jobs = TraceWorkload(tiny).jobs(None, RandomStreams(1))
    np.testing.assert_allclose(jobs.arrival_s, [0, 0.5, 2, 3.0000001, 8], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(jobs.size, np.ones(5))
    np.testing.assert_array_equal(jobs.lengths, [[100, 0], [200, 49], [90, 29], [10, 119], [100, 19]])
    assert jobs.uniform.shape == (5,)


def test_mean_job_and_native_rate(tiny):
    workload = TraceWorkload(tiny)
    assert workload.mean_job == pytest.approx((1, 500 / 5, 216 / 5))
    assert workload.native_rate_per_s == pytest.approx(4 / 8)


def test_another_rate_scales_all_times(tiny):
    workload = TraceWorkload(tiny)
    slow, own = workload.jobs(0.1, RandomStreams(1)), workload.jobs(None, RandomStreams(1))
    assert 4 / slow.arrival_s[-1] == pytest.approx(0.1)
    np.testing.assert_allclose(slow.arrival_s, 5 * own.arrival_s)
    np.testing.assert_array_equal(slow.lengths, own.lengths)


def test_selections_start_at_time_zero(tiny):
    first = TraceWorkload(tiny, first=3).jobs(None, RandomStreams(1))
    np.testing.assert_allclose(first.arrival_s, [0, 0.5, 2])
    window = TraceWorkload(tiny, window_s=[0.5, 3.0000001]).jobs(None, RandomStreams(1))
    np.testing.assert_allclose(window.arrival_s, [0, 1.5])  # the window includes its start but not its end
    np.testing.assert_array_equal(window.lengths[:, 0], [200, 90])


def test_a_single_request_has_no_rate(tiny):
    workload = TraceWorkload(tiny, first=1)
    assert workload.native_rate_per_s is None
    assert len(workload.jobs(None, RandomStreams(1))) == 1
    with pytest.raises(InputError, match=r"rate_per_s = 1.0: requests at one instant"):
        workload.jobs(1.0, RandomStreams(1))


def test_over_length_share_counts_requests_as_recorded(tiny):
    workload = TraceWorkload(tiny)
    assert workload.over_length_share(120) == pytest.approx(2 / 5)  # 250 and 130; the two of exactly 120 fit
    assert workload.fitted(120).over_length_share(120) == pytest.approx(2 / 5)


def test_truncate_keeps_the_output_and_shortens_the_prompt(tiny):
    workload = TraceWorkload(tiny, over_length="truncate")
    requests = workload.fitted(120).requests
    np.testing.assert_array_equal(requests.output_tokens, [1, 50, 30, 119, 20])
    np.testing.assert_array_equal(requests.input_tokens, [100, 70, 90, 1, 100])
    assert workload.cache_tokens(120) == 120
    assert workload.fitted(120).mean_job == pytest.approx((1, 361 / 5, 215 / 5))


def test_drop_keeps_the_times_of_the_others(tiny):
    workload = TraceWorkload(tiny, over_length="drop").fitted(120)
    np.testing.assert_allclose(workload.jobs(None, RandomStreams(1)).arrival_s, [0, 2, 8])
    assert workload.native_rate_per_s == pytest.approx(2 / 8)
    assert workload.cache_tokens(120) == 120
    with pytest.raises(InputError, match=r"over_length = drop: every request is longer than .* 5 tokens"):
        _ = workload.fitted(5).requests


def test_untreated_changes_neither_requests_nor_slots(tiny):
    workload = TraceWorkload(tiny, over_length="untreated")
    requests = workload.fitted(120).requests
    np.testing.assert_array_equal(requests.input_tokens, [100, 200, 90, 10, 100])
    np.testing.assert_array_equal(requests.output_tokens, [1, 50, 30, 120, 20])
    assert workload.cache_tokens(120) == 120
    assert workload.fitted(120).over_length_share(120) == pytest.approx(2 / 5)


def test_size_to_trace_grows_the_slot(tiny):
    workload = TraceWorkload(tiny, over_length="size_to_trace")
    assert workload.cache_tokens(120) == 250
    np.testing.assert_array_equal(workload.fitted(120).requests.total_tokens, workload.recorded.total_tokens)


def test_fitting_again_starts_from_the_recorded_requests(tiny):
    again = TraceWorkload(tiny).fitted(50).fitted(1000)
    np.testing.assert_array_equal(again.requests.input_tokens, TraceWorkload(tiny).recorded.input_tokens)


def test_other_columns_zones_and_line_ends_are_read(data_set_of):
    rows = ["7,2024-05-10 00:00:00.5+00:00,x,3", "8,2024-05-10 00:00:01+00:00,x,4"]
    lines = ["GeneratedTokens,TIMESTAMP,note,ContextTokens", *rows]
    jobs = TraceWorkload(data_set_of(lines, end="\n")).jobs(None, RandomStreams(1))
    np.testing.assert_allclose(jobs.arrival_s, [0, 0.5])
    np.testing.assert_array_equal(jobs.lengths, [[3, 6], [4, 7]])


def replaced(line, row):
    lines = [HEADER, *ROWS]
    lines[line - 1] = row
    return lines


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"tiny.csv is empty: give a file with the columns TIMESTAMP"),
        ([HEADER], r"tiny.csv has a header but no requests"),
        (
            ["TIMESTAMP,ContextTokens,Tokens", *ROWS],
            r"tiny.csv has no column GeneratedTokens, only TIMESTAMP, ContextTokens, Tokens",
        ),
        (replaced(2, ROWS[0] + ",9"), r"tiny.csv, line 2: has 4 fields, but the header has 3; give every line all"),
        (replaced(3, "2023-11-16 23:59:59,200"), r"line 3: has 2 fields, but the header has 3; give every line"),
        (replaced(4, ""), r"line 4: has 0 fields, but the header has 3"),
        (replaced(4, "noon,90,30"), r"line 4: TIMESTAMP = noon must be a time such as 2023"),
        (
            replaced(4, ROWS[2].replace("90", "many")),
            r"line 4: ContextTokens = many must be a whole number of at least 1",
        ),
        (replaced(5, ROWS[3].replace("120", "0")), r"line 5: GeneratedTokens = 0 must be a whole number of at least 1"),
        (replaced(5, ROWS[3].replace(",10,", ",-10,")), r"line 5: ContextTokens = -10 must be"),
        (replaced(5, ROWS[3].replace(",10,", ",1.5,")), r"line 5: ContextTokens = 1.5 must be"),
        (replaced(5, ROWS[3].replace(",10,", ",inf,")), r"line 5: ContextTokens = inf must be"),
        (
            replaced(5, ROWS[0]),
            r"line 5: TIMESTAMP = 2023-11-16 23:59:58.5000000 is earlier than the line before; sort",
        ),
    ],
)
def test_errors_name_the_fault_of_a_file(data_set_of, lines, message):
    with pytest.raises(InputError, match=message):
        TraceWorkload(data_set_of(lines)).jobs(None, RandomStreams(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first": 6}, "first = 6: tiny has only 5 requests"),
        ({"first": 0}, "first = 0: must be a whole number of at least 1"),
        ({"window_s": (8.5, 9)}, r"window_s = \[8.5, 9\]: no request of tiny lies in it; the last one comes at 8 s"),
        ({"window_s": (4, 4)}, r"window_s = \(4, 4\): must be \[start, end\]"),
        ({"window_s": (0, 1), "first": 2}, "first = 2: give either first or window_s"),
        ({"over_length": "ignore"}, "over_length = ignore: must be one of truncate, drop, size_to_trace, untreated"),
        ({"slot_tokens": 1}, "slot_tokens = 1: a request needs at least 2 tokens"),
    ],
)
def test_invalid_settings_are_refused(tiny, settings, message):
    with pytest.raises(InputError, match=message):
        _ = TraceWorkload(tiny, **settings).requests


def test_a_process_reads_a_file_once(tiny):
    two, three = (TraceWorkload(tiny, first=count).recorded for count in (2, 3))
    assert np.shares_memory(two.input_tokens, three.input_tokens)


@pytest.mark.parametrize("name", ["azure_code", "azure_conversation"])
def test_each_configuration_makes_jobs(tiny, name):
    file = Path(__file__).parents[2] / "conf" / "workload" / f"{name}.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert settings["dataset"] == f"${{dataset:{name}}}"
    settings["dataset"] = {"_target_": "workloads.datasets.DataSet", **asdict(tiny)}
    workload = instantiate(settings)
    assert len(workload.fitted(120).jobs(None, RandomStreams(1))) == 5
