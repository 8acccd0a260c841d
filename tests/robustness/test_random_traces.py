"""Random traces and models: reading ends with a result or one sentence, quickly and in little memory."""

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.blocks.supported import checkpoint_decoder
from system import InputError
from system.limits import MESSAGE
from system.models.config_json import decoder_from_config
from tests.robustness.inputs.files.models import LLAMA
from tests.robustness.inputs.files.traces import GOOD, HEADER
from tests.robustness.test_bad_inputs import little_is_used
from workloads import trace_lines
from workloads.requests import Requests
from workloads.traces import FileTrace

TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from(["1", "2.5", "1e400", "-0", "0x1", "", " 7"]))
DATES = st.sampled_from(["2024-01-01", "2024-01-01T00:00:00.5Z", "9999-01-01", "2024-02-30", "2024-01-01+02:00"])
VALUES = st.one_of(NUMBERS, DATES, TEXT, st.booleans(), st.none())
SEPARATORS = st.sampled_from([",", ",", ",", ";", '"', "\n", "\r", "\0", ",,"])
NESTED = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6)
ENDINGS = st.sampled_from([".csv", ".csv.gz", ".jsonl", ".jsonl.gz"])


@st.composite
def csv_text(draw):
    rows = draw(st.lists(st.lists(VALUES, min_size=2, max_size=4), max_size=5))
    lines = [draw(SEPARATORS).join(map(str, row)) for row in rows]
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join([HEADER, "1,2,3", *lines])


@st.composite
def jsonl_text(draw):
    rows = draw(st.lists(st.dictionaries(st.sampled_from([*GOOD, "_target_"]), NESTED), max_size=4))
    return "\n".join(json.dumps(row) for row in [GOOD, *(GOOD | row for row in rows)])


@st.composite
def damaged(draw, text):
    """Draw bytes: a text in some encoding, perhaps packed, perhaps with some bytes replaced."""
    content = draw(text).encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "latin-1", "utf-16"])), "replace")
    content = gzip.compress(content) if draw(st.booleans()) else content
    first, end = sorted(draw(st.integers(0, len(content))) for _ in range(2))
    return content[:first] + draw(st.binary(max_size=4)) + content[end:] if draw(st.booleans()) else content


@st.composite
def configs(draw):
    """Draw a config.json: that of a LLaMA with other keys and values."""
    keys = st.sampled_from([*LLAMA, "head_dim", "rope_scaling", "n_layer", "quantization_config", "num_experts"])
    content = LLAMA | draw(st.dictionaries(keys | TEXT, NESTED | st.integers(1, 10**6), max_size=4))
    return json.dumps({key: content[key] for key in content if draw(st.integers(0, 9))})


def result_or_sentence(read):
    """Return the result; None after one sentence."""
    result, message = None, ""
    with little_is_used():
        try:
            result = read()
        except InputError as error:
            message = str(error)
    assert message.isprintable()
    assert len(message) <= MESSAGE
    return result


def check_trace(content, ending, first):
    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{ending}")
        path.write_bytes(content)
        trace = FileTrace(file=str(path), unanswered="one_token", first=first)
        requests = result_or_sentence(lambda: trace.recorded)
    if requests is not None:
        assert isinstance(requests, Requests)
        assert requests.arrival_s[0] == 0
        assert (requests.arrival_s[1:] >= requests.arrival_s[:-1]).all()
        assert (requests.input_tokens >= 1).all()
        assert (requests.total_tokens >= 2).all()


def check_config(content):
    with TemporaryDirectory() as folder:
        path = Path(folder, "config.json")
        path.write_text(content)
        for read in (decoder_from_config, checkpoint_decoder):
            decoder = result_or_sentence(lambda read=read: read(path))
            if decoder is not None:
                assert decoder.block_parameters > 0


TRACES = {
    "content": st.one_of(st.binary(max_size=200), damaged(csv_text()), damaged(jsonl_text())),
    "ending": ENDINGS,
    "first": st.sampled_from([None, 1]),
}
test_random_traces = settings(max_examples=60, deadline=None)(given(**TRACES)(check_trace))
test_random_configs = settings(max_examples=30, deadline=None)(given(content=configs())(check_config))
test_many_random_traces = pytest.mark.slow(settings(max_examples=600, deadline=None)(given(**TRACES)(check_trace)))
test_many_random_configs = pytest.mark.slow(
    settings(max_examples=600, deadline=None)(given(content=configs())(check_config))
)


def test_a_bomb_of_zeros_is_refused_at_its_first_line(tmp_path):
    # 10 MB that unpack to 10 GB: the same packed part again and again, as gzip allows.
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bytes(10**7)) * 1000)
    assert result_or_sentence(lambda: FileTrace(file=str(tmp_path / "a.csv.gz")).recorded) is None


@pytest.mark.parametrize(("line", "value"), [("1,1,1\n", "requests"), ('"', "characters")])
def test_a_file_beyond_the_bounds_is_refused_in_time(tmp_path, monkeypatch, line, value):
    monkeypatch.setattr(trace_lines, "TRACE_REQUESTS", 10_000)
    monkeypatch.setattr(trace_lines, "DATA_BYTES", 10**6)
    (tmp_path / "a.csv").write_text(f"{HEADER}\n" + line * 1_500_000)
    with pytest.raises(InputError, match=f"has more than [0-9,]+ {value}"):
        _ = FileTrace(file=str(tmp_path / "a.csv")).recorded


def test_the_bounds_are_those_of_what_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_lines, "TRACE_REQUESTS", 20_000)
    (tmp_path / "a.csv").write_text(f"{HEADER}\n" + "".join(f"{n},1,1\n" for n in range(60_000)))
    for part in ({"first": 7}, {"window_s": [3, 10]}):
        assert len(FileTrace(file=str(tmp_path / "a.csv"), **part).recorded) == 7
    with pytest.raises(InputError, match="has more than 20,000 requests: give first, the number to replay"):
        _ = FileTrace(file=str(tmp_path / "a.csv")).recorded
