"""Plans for users: their speeds on a plan, the goals that they can have, and how an inventory states them."""

from dataclasses import replace

import numpy as np
import pytest
import simpy
import yaml

from planner.choice.chains.for_users import fastest_chain
from planner.choice.search import plan
from planner.choice.sharing.batches import curves
from planner.choice.sharing.users import Loop, loop_of, request_lengths, user_speed
from planner.inventory.engines import ENGINES
from planner.inventory.goals import Minimise, MostTokens, ShortestFirstToken
from planner.inventory.reading import inventory_of
from planner.inventory.requests import Users
from planner.inventory.services import service_of
from planner.output.card import plan_card
from planner.results import Study
from planner.study.cautions import ARITHMETIC_SHORT, prefill_share, warnings
from planner.study.users import user_speeds
from system import InfeasibleError, InputError
from system.documents.entries import Entry
from tests.support.project import ROOT

EXAMPLE = yaml.safe_load((ROOT / "planner/examples/lab.yaml").read_text())
OF_USERS = {"users": 1, "input_tokens": 800, "output_tokens": 200}


def lab(**changes):
    """Return the example's inventory with other top keys."""
    return inventory_of({key: value for key, value in (EXAMPLE | changes).items() if value is not None}, ROOT)


def for_users(count, goal=None, **changes):
    return lab(workload=OF_USERS | {"users": count}, goal=goal, **changes)


@pytest.fixture(scope="module")
def best():
    return plan(lab())


def test_one_users_speed_is_that_of_the_fastest_chain_alone(best):
    speed = user_speeds(best)[0]
    servers, chain = best.composition.system.servers, best.composition.chain(0)
    hops = list(zip(chain.servers, chain.blocks, strict=True))
    token_s = sum(servers.communication_s[j, 2] + blocks * servers.block_s[j, 2] for j, blocks in hops)
    first_s = sum((servers.communication_s[j] + blocks * servers.block_s[j]) @ [1, 800, 0] for j, blocks in hops)
    assert speed.users == 1
    assert speed.tokens_per_s == pytest.approx(1 / token_s)
    assert speed.token_ms == pytest.approx(1e3 * token_s)
    assert speed.first_token_s == pytest.approx(first_s)
    assert speed.total_tokens_per_s == pytest.approx(200 / (first_s + 199 * token_s))
    assert best.composition.mean_service_s[0] == pytest.approx(first_s + 199 * token_s)


class Server:
    """A server in SimPy that computes what waits: a prompt, or tokens, alone or as one batch."""

    def __init__(self, env, work_s, ratio):
        self.env, self.work_s, self.ratio = env, work_s, ratio
        self.waiting, self.wake = [], env.event()
        env.process(self.run())

    def put(self, prompt_tokens):
        done = self.env.event()
        self.waiting.append((prompt_tokens, done))
        if not self.wake.triggered:
            self.wake.succeed()
        return done

    def run(self):
        while True:
            if not self.waiting:
                self.wake = self.env.event()
                yield self.wake
            yield self.env.timeout(0)  # steps that come at this instant wait, too
            prompt_tokens, done = self.waiting[0]
            batch = [done]
            if self.ratio is not None and prompt_tokens == 0:
                batch = [event for tokens, event in self.waiting if tokens == 0]
            self.waiting = [entry for entry in self.waiting if entry[1] not in batch]
            once_s, input_s, token_s = self.work_s
            together = 1.0 if self.ratio is None else self.ratio(len(batch))
            yield self.env.timeout(once_s + input_s * prompt_tokens if prompt_tokens else token_s * together)
            for event in batch:
                event.succeed()


def users_in_simpy(hops, users, lengths, ratio):
    """Return the mean times (s) of the first and of further tokens."""
    env = simpy.Environment()
    servers = [(way_s, Server(env, work_s, ratio)) for way_s, work_s in hops]
    requests, results = iter(range(len(lengths))), {}

    def step(prompt_tokens):
        for (once_s, input_s, token_s), server in servers:
            half_s = (once_s + input_s * prompt_tokens if prompt_tokens else token_s) / 2
            yield env.timeout(half_s)
            yield server.put(prompt_tokens)
            yield env.timeout(half_s)

    def user():
        for request in requests:
            begin_s = env.now
            yield from step(lengths[request][0])
            first_s = env.now
            for _ in range(int(lengths[request][1])):
                yield from step(0)
            results[request] = first_s - begin_s, env.now - first_s

    for _ in range(users):
        env.process(user())
    env.run()
    return measured(results, users, lengths)


def users_in_rounds(hops, users, lengths, ratio):
    """Return the same where a batch of all users passes the servers."""
    requests, results, now_s = iter(range(len(lengths))), {}, 0.0
    active = [[next(requests), 0.0, None, 0] for _ in range(users)]  # request, begin, first token, tokens left
    while active:
        prompts = sum(lengths[request][0] for request, _, first_s, _ in active if first_s is None)
        tokens = sum(first_s is not None for _, _, first_s, _ in active)
        for way_s, work_s in hops:
            way = way_s[0] + way_s[1] * prompts if prompts else 0.0
            now_s += max(way, way_s[2] if tokens else 0.0)
            reading_s = work_s[2] * ratio(tokens) if tokens else 0.0
            now_s += max(work_s[0] if prompts else 0.0, reading_s) + work_s[1] * prompts
        for one in active:
            one[2], one[3] = (now_s, lengths[one[0]][1]) if one[2] is None else (one[2], one[3] - 1)
        ended = [one for one in active if one[3] == 0]
        for request, begin_s, first_s, _ in ended:
            results[request] = first_s - begin_s, now_s - first_s
        active = [one for one in active if one[3] > 0]
        active += [[request, now_s, None, 0] for _, request in zip(ended, requests, strict=False)]
    return measured(results, users, lengths)


def measured(results, users, lengths):
    kept = range(users, len(lengths) - users)
    first_s, decoding_s = np.array([results[request] for request in kept]).T
    return first_s.mean(), decoding_s.sum() / sum(lengths[request][1] for request in kept)


@pytest.mark.parametrize(
    ("engine", "users"), [("any", 4), ("any", 6), ("petals", 3), ("llama.cpp", 2), ("llama.cpp", 6)]
)
def test_the_speed_of_k_users_is_that_of_a_closed_loop(best, engine, users):
    inventory = replace(best.inventory, engine=ENGINES[engine])
    loop, chain, servers = loop_of(inventory), best.composition.chain(0), best.inventory.servers
    loop = replace(loop, input_tokens=300, output_tokens=41.0)
    speed = user_speed(best.composition, users, loop)
    hops = [
        (servers.communication_s[j], blocks * servers.block_s[j])
        for j, blocks in zip(chain.servers, chain.blocks, strict=True)
    ]
    lengths = [(int(prompt), int(further)) for prompt, further in request_lengths(users, loop)]
    curve = {1: 1.0} | curves(best.composition.system)[chain.servers[0]]
    sizes = sorted(curve)
    ratio = None if engine == "petals" else lambda steps: float(np.interp(steps, sizes, [curve[n] for n in sizes]))
    serve = users_in_rounds if engine == "llama.cpp" else users_in_simpy
    first_s, token_s = serve(hops, users, lengths, ratio)
    order = 0.04 if engine == "llama.cpp" else 1e-9  # in rounds, users may begin in another order
    assert speed.token_ms == pytest.approx(1e3 * token_s, rel=order)
    assert speed.first_token_s == pytest.approx(first_s, rel=2 * order)
    assert speed.total_tokens_per_s == pytest.approx(users * 41 / (first_s + 40 * token_s), rel=order)


@pytest.mark.parametrize("engine", ENGINES)
def test_k_users_are_never_faster_than_one_nor_than_memory_and_arithmetic_allow(best, engine):
    inventory = replace(best.inventory, engine=ENGINES[engine])
    speeds = user_speeds(replace(best, inventory=inventory))
    one, servers, most = speeds[0], best.composition.system.servers, best.composition.total_capacity
    assert [speed.users for speed in speeds] == [*(2**n for n in range(20) if 2**n < most), most]
    blocks = best.composition.system.model.block_count
    arithmetic_per_s = (1 / servers.block_s[:, 1]).sum() / blocks  # if all computed all layers of tokens
    for speed in speeds:
        assert speed.tokens_per_s <= one.tokens_per_s * (1 + 1e-9)
        assert speed.total_tokens_per_s <= speed.users * one.total_tokens_per_s * (1 + 1e-9)
        assert speed.total_tokens_per_s <= speed.users * speed.tokens_per_s
        assert speed.total_tokens_per_s * (1 + 800 / 200) <= arithmetic_per_s  # each answer has its prompt
        assert speed.token_ms == pytest.approx(1e3 / speed.tokens_per_s)
    totals = [speed.total_tokens_per_s for speed in speeds]
    if engine != "petals":  # where steps of all chains queue at servers that several of them share
        assert totals == sorted(totals)


def test_a_server_with_its_own_scheduler_batches_all_of_its_users():
    """Compare with steps that have a token of both users."""
    whole = [{"name": "one", "gpu": "h100_sxm", "rtt_ms": 2.0}]
    best = plan(for_users(2, engine="vllm", servers=whole, model="llama3_8b"))
    servers, blocks = best.composition.system.servers, best.composition.system.model.block_count
    step_s = blocks * servers.block_s[0, 2] * curves(best.composition.system)[0][2]
    by_prompts = 1 + 800 * blocks * servers.block_s[0, 1] / (200 * step_s)  # that of the other user, in between
    assert step_s <= best.user_speed.token_ms / 1e3 <= 1.1 * by_prompts * step_s
    by_messages = plan(for_users(2, servers=whole, model="llama3_8b"))
    assert by_messages.user_speed.token_ms > 1.5 * best.user_speed.token_ms


def test_a_measured_batch_curve_is_taken_as_it_is():
    system = lab().system(1.0)
    measured_curve = {1: 1.0, 4: 1.5}
    servers = replace(system.servers, batch_curves=(measured_curve, *system.servers.batch_curves[1:]))
    assert curves(replace(system, servers=servers)) == (measured_curve, *curves(system)[1:])


def test_the_fastest_chain_is_the_best_of_all_choices_of_servers():
    rng = np.random.default_rng(3)
    for _ in range(40):
        visit_s, block_s, most = rng.uniform(0, 2, 5), rng.uniform(0.1, 1, 5), rng.integers(0, 7, 5)
        chain = fastest_chain(visit_s, block_s, most, 9)
        by_hand = np.inf
        for counts in np.ndindex(*(most + 1)):
            if sum(counts) == 9:
                used = np.array(counts)
                by_hand = min(by_hand, float(visit_s[used > 0].sum() + used @ block_s))
        if not chain:
            assert by_hand == np.inf
            continue
        servers, blocks = np.array(chain).T
        assert blocks.sum() == 9
        assert (blocks <= most[servers]).all()
        assert visit_s[servers].sum() + blocks @ block_s[servers] == pytest.approx(by_hand)


def test_one_user_gets_the_fastest_machine_that_holds_the_model():
    gpus = [("slow", "rtx_a6000"), ("fast", "h100_sxm"), ("other", "a100_80gb_sxm")]
    servers = [{"name": name, "gpu": gpu, "rtt_ms": 0.3} for name, gpu in gpus]
    best = plan(for_users(1, goal="tokens_per_s", servers=servers))
    assert best.composition.chain(0).servers == (1,)
    assert best.goal_value == best.user_speed.tokens_per_s == user_speeds(best)[0].tokens_per_s


def test_the_goals_of_users_are_each_served_best_by_their_own_plan():
    for users in (1, 4):
        tokens, first = (plan(for_users(users, goal=goal)).user_speed for goal in ("tokens_per_s", "first_token"))
        assert tokens.users == first.users == users
        assert tokens.tokens_per_s >= first.tokens_per_s
        assert first.first_token_s <= tokens.first_token_s


def test_users_who_think_are_fewer_at_once():
    busy = plan(for_users(8))
    thinking = plan(lab(workload=OF_USERS | {"users": 8, "think_s": 60}, goal=None))
    assert busy.user_speed.users == 8
    request_s = thinking.user_speed.first_token_s + 199 * thinking.user_speed.token_ms / 1e3
    assert thinking.user_speed.users == np.ceil(8 * request_s / (request_s + 60))
    assert thinking.goal_value > busy.goal_value


def test_more_users_than_fit_are_refused_with_the_number_that_does():
    with pytest.raises(InfeasibleError, match=r"users = 500: only \d+ of them are served at once; reduce users"):
        plan(for_users(500))


def test_users_are_simulated_so_no_caution_says_that_requests_do_not_slow_each_other():
    slow = EXAMPLE["servers"][0] | {"prefill_tflops": 1.0}
    best = plan(for_users(1, engine="llama.cpp", servers=[slow]))
    assert prefill_share(best).max() > ARITHMETIC_SHORT
    assert not any("not slow each other" in sentence for sentence in warnings(best))


def test_the_card_of_users_answers_in_tokens_and_says_how_they_slow_each_other():
    best = plan(for_users(2, engine="llama.cpp"))
    judged = Study(best, (), (), (), (), "none", (), user_speeds(best))
    card = " ".join(plan_card(judged, "lab", best).split())
    speed = best.user_speed
    assert f"2 users at once get {speed.tokens_per_s:.3g} tokens/s each" in card
    assert "With llama.cpp, one batch with a token of every request passes a chain's servers in turn." in card
    assert "Other layouts for these users" in card
    assert "requests wait" not in card
    assert " c = " not in card


def test_workloads_and_goals_of_users_are_read():
    assert for_users(3).users == Users(3)
    assert for_users(3).goal == MostTokens()
    assert for_users(3).rate_per_s is None
    assert lab(workload=OF_USERS | {"think_s": 5}, goal=None).users == Users(1, 5.0)
    for goal in ("first_token", {"minimise": "first_token"}):
        assert for_users(1, goal=goal).goal == ShortestFirstToken()
    for goal in ("tokens_per_s", {"maximise": "tokens_per_s"}):
        assert for_users(1, goal=goal).goal == MostTokens()
    assert lab(goal="p95").goal == lab(goal={"minimise": "p95"}).goal == Minimise(0.95)
    assert lab(goal="mean").goal == Minimise()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workload": OF_USERS | {"rate_per_s": 1}}, "rate_per_s of workload = 1: a rate and users are two ways"),
        ({"workload": OF_USERS | {"users": 0}}, "users of workload = 0: must be"),
        ({"workload": OF_USERS | {"trace": "a.csv"}}, "trace of workload = a.csv: a trace and users are two ways"),
        ({"workload": EXAMPLE["workload"] | {"think_s": 1}}, "think_s of workload = 1: belongs to users"),
        ({"goal": "tokens_per_s"}, "goal = tokens_per_s: it is for users; give users instead of rate_per_s"),
        ({"goal": {"minimise": "first_token"}}, "it is for users; give users instead of rate_per_s in workload"),
        ({"workload": OF_USERS, "goal": "p95"}, "goal = p95: it needs requests at a rate; write goal: tokens_per_s"),
        ({"goal": "largest_rate"}, r"goal = largest_rate: write \{largest_rate: \{quantile: 0.95, slo_s: 60\}\}"),
        ({"goal": "fast"}, "goal = fast: must be mean or a percentile such as p50, p95, p99, tokens_per_s or first"),
        ({"goal": {"maximise": "p95"}}, "maximise of goal = p95: must be tokens_per_s"),
        ({"workload": OF_USERS, "goal": {"minimise": "tokens_per_s"}}, "minimise of goal = tokens_per_s: must be mean"),
    ],
)
def test_users_and_goals_that_do_not_fit_are_refused_with_what_to_write(changes, message):
    with pytest.raises(InputError, match=message):
        lab(**({"goal": None} if "workload" in changes else {}) | changes)


def test_the_service_model_of_an_inventory_decides_over_that_of_its_engine():
    named = service_of(Entry("", {"service": "lockstep"}))
    assert loop_of(replace(lab(), service=named)).service is named
    assert loop_of(lab(engine="vllm")).service.name == "token_budget"
    assert isinstance(loop_of(lab()), Loop)
