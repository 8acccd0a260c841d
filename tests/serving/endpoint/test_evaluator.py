"""`evaluator=endpoint`: the rows of every evaluator, failures with reasons, and a key that nothing keeps."""

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from evaluators.points.measured.endpoint import EndpointEvaluator
from evaluators.points.measured.reported import FailedJobsWarning
from sweep.instantiate import evaluate
from system import InputError, NotApplicableError
from tests.support.endpoints.fake import Fake, serving
from tests.support.project import case_of, script

LOCAL = ("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "demand.per_s=40")
LOCAL += ("workload.job_count=12", "evaluator=endpoint")
KEY = "sk-very-secret-0123456789"

pytestmark = pytest.mark.filterwarnings("ignore::serving.endpoint.load.SlowClientWarning")


def rows_of(fake, *words):
    """Return the rows of one replication by metric and coordinate."""
    with serving(fake):
        evaluation = evaluate(case_of(*LOCAL, f"evaluator.url={fake.url}", *words), range(1), range(1))
    assert evaluation.refusals == []
    assert not evaluation.simulated
    return {(row.metric, row.at) if row.at == row.at else row.metric: row.value for row in evaluation.rows}


def simulated(*words):
    """Return the names of a simulation's rows."""
    case = case_of(*LOCAL[:-1], "evaluator=simulation", "service=steps", *words)
    return {row.metric for row in evaluate(case, range(1), range(1)).rows}


def test_rows_are_those_of_every_evaluator_with_the_endpoints_times():
    fake = Fake(first_s=0.1, token_s=0.01)
    rows = rows_of(fake, "evaluator.warm_up=0", "evaluator.slos={chat: {response_s: 60}}")
    names = {key[0] if isinstance(key, tuple) else key for key in rows}
    missing = simulated("evaluator.slos={chat: {response_s: 60}}") - names
    assert {"waiting_mean_s", "waiting_probability", "waiting_quantile_s"} <= missing
    assert {name for name in missing if name.startswith(("response", "first_token", "output_token", "service"))} <= {
        "response_drift"
    }
    assert rows["first_token_mean_s"] == pytest.approx(0.1, abs=0.08)
    assert rows["token_gap_quantile_s", 0.5] == pytest.approx(0.01, abs=0.008)
    tokens = np.array([body["max_tokens"] for body in fake.bodies])
    response_s = 0.1 + 0.01 * (tokens - 1)
    assert rows["response_mean_s"] == pytest.approx(response_s.mean(), rel=0.5)
    assert rows["response_mean_s"] >= response_s.mean()
    assert rows["chat_slo_share"] == 1
    assert rows["chat_goodput_per_s"] == 40
    assert rows["failed_jobs"] == 0


def test_the_jobs_are_those_of_the_simulation():
    """Check the requests against the jobs that every evaluator gets."""
    from evaluators.points.case import Draw
    from sweep.instantiate import instantiated

    fake = Fake()
    rows_of(fake)
    jobs = Draw(instantiated(case_of(*LOCAL[:-1])), 0).jobs(0)
    sent = sorted((len(body["prompt"]), body["max_tokens"] - 1) for body in fake.bodies)
    assert sent == sorted(map(tuple, jobs.lengths.astype(int).tolist()))


def test_a_closed_loop_has_a_throughput_and_no_load():
    fake = Fake(first_s=0.05)
    closed = ("evaluator.loop=closed", "evaluator.users=3", "evaluator.warm_up=0")
    rows = rows_of(fake, *closed, "evaluator.slos={chat: {response_s: 60}}")
    assert fake.most_present == 3
    assert rows["served_per_s"] == pytest.approx(3 / rows["response_mean_s"], rel=0.4)  # Little's law
    tokens = sum(body["max_tokens"] for body in fake.bodies)
    assert rows["output_tokens_per_s"] == pytest.approx(rows["served_per_s"] * tokens / 12)
    assert not {"load", "chat_goodput_per_s", "send_lag_mean_s"} & set(rows)
    assert rows["chat_slo_share"] == 1


def test_failed_jobs_are_counted_and_reasons_are_warned_of():
    with pytest.warns(FailedJobsWarning) as caught:
        rows = rows_of(Fake(["good", "busy", "drops"]), "evaluator.warm_up=0", "evaluator.slos={any: {response_s: 60}}")
    assert rows["failed_jobs"] == 8
    assert rows["any_slo_share"] == pytest.approx(4 / 12)
    (sentence,) = (str(warning.message) for warning in caught if warning.category is FailedJobsWarning)
    assert sentence.endswith(
        ": 8 of 12 jobs failed: the endpoint answered 429 (Too Many Requests): Slow down, please (4); "
        "the endpoint dropped the connection (4)"
    )


@pytest.mark.parametrize("warm_up", ["0.1", "mser"])
def test_without_a_served_job_there_is_one_sentence_with_the_reasons(warm_up):
    with pytest.raises(InputError) as caught:
        rows_of(Fake(["busy", "broken"]), f"evaluator.warm_up={warm_up}")
    sentence = str(caught.value)
    assert sentence.startswith("url = http://127.0.0.1:")
    assert "no job was served after the warm-up: the endpoint answered 429 (Too Many Requests): Slow down" in sentence
    assert "; the endpoint answered 500" in sentence
    assert "\n" not in sentence


def test_jobs_of_parts_of_tokens_are_refused():
    with pytest.raises(NotApplicableError, match="workload=drawn_lengths"):
        rows_of(Fake(), "workload=poisson_exponential", "workload.job_count=5")


@pytest.mark.parametrize(("mode", "status"), [("good", 0), ("repeats_key", 1)])
def test_the_key_is_sent_and_kept_nowhere(tmp_path, monkeypatch, mode, status):
    """Check a run, and a failed one whose reason repeats the key."""
    monkeypatch.setenv("CHAIN_ENDPOINT_KEY", KEY)
    with serving(Fake(mode)) as fake:
        done = script("run.py", *LOCAL, "draws=1", f"store={tmp_path}", f"evaluator.url={fake.url}")
    assert done.returncode == status, done.stderr
    assert {headers["Authorization"] for headers in fake.headers} == {f"Bearer {KEY}"}
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in files)
    kept = fake.url if status == 0 else "unknown key Bearer ***"
    assert any(kept.encode() in content for content in files)
    assert KEY not in done.stdout + done.stderr


def test_a_key_comes_from_the_variable_that_is_named(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    fake = Fake()
    rows_of(fake, "evaluator.key_variable=MY_KEY", "evaluator.model=tiny", "evaluator.options={cache_prompt: false}")
    assert fake.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert fake.bodies[0]["model"] == "tiny"
    assert fake.bodies[0]["cache_prompt"] is False
    assert KEY not in repr(EndpointEvaluator(url=fake.url, key_variable="MY_KEY"))
    monkeypatch.setenv("MY_KEY", "two\nlines")
    with pytest.raises(InputError, match="key_variable = MY_KEY: its key has characters that HTTP does not allow"):
        EndpointEvaluator(url=fake.url, key_variable="MY_KEY")


@pytest.mark.parametrize(
    "url",
    ["localhost:8080", "ftp://a/v1", "http://", "http://a:99999/v1", "http://a b/v1", "http://[::1/v1", "http://ä/v1"],
)
def test_an_address_is_checked(url):
    with pytest.raises(InputError, match="must be the address of an API, such as http"):
        EndpointEvaluator(url=url)


@pytest.mark.parametrize("url", ["http://me:pw-of-mine@a/v1", "http://a/v1?key=pw-of-mine"])
def test_an_address_with_a_key_is_refused_without_repeating_it(url):
    with pytest.raises(InputError, match=r"^url: must have no user, password or query") as caught:
        EndpointEvaluator(url=url)
    assert "pw-of-mine" not in str(caught.value)


def test_a_key_in_place_of_its_variable_is_not_repeated():
    with pytest.raises(InputError, match=r"^key_variable: must be the name") as caught:
        EndpointEvaluator(url="http://a/v1", key_variable="abcdef0123456789")
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slos": {"chat": {"waiting_s": 1.0}}}, "nobody sees when an endpoint begins to serve; limit response_s"),
        ({"loop": "closed", "metrics": {"slowdown": None}}, "use loop=open"),
        ({"vocabulary": (5, 5)}, "vocabulary = .5, 5.: must be two token ids"),
        ({"options": {"prompt": "hi"}}, "options = .'prompt'.: follow from the jobs"),
        ({"warm_up": 1.5}, "warm_up"),
        ({"silence_s": -1}, "silence_s"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        EndpointEvaluator(url="http://a/v1", **settings)
