"""Plans for users on machines that an engine can start: mixtures, several chains, many devices."""

from dataclasses import replace

import pytest

from planner.choice.search import plan
from planner.choice.sharing.batches import curves
from planner.choice.sharing.users import loop_of, user_speed
from system import InfeasibleError
from tests.planner.test_users import for_users

LARGE = {"name": "large", "gpu": "h100_sxm", "rtt_ms": 0.3}


def test_more_users_slow_a_mixture_more_than_a_dense_model_of_its_active_size():
    mixture = for_users(1, model={"preset": "qwen3_30b_a3b", "weights": "q8_0"}, servers=[LARGE])
    dense = replace(mixture, model=replace(mixture.model, expert_count=0, active_experts=0, expert_gb=0.0))
    layout = plan(mixture).composition
    one, eight = (user_speed(layout, users, loop_of(mixture)) for users in (1, 8))
    of_dense = replace(layout, system=replace(layout.system, model=dense.model))
    assert user_speed(of_dense, 1, loop_of(dense)).token_ms == one.token_ms
    assert eight.token_ms > 1.5 * user_speed(of_dense, 8, loop_of(dense)).token_ms
    # Eight tokens take 128 (1 - (15/16)^8) = 51.6 of the 128 experts instead of 8.
    more = (128 * (1 - (15 / 16) ** 8) - 8) * mixture.model.expert_gb / mixture.model.decode_read_gb
    assert more > 2
    assert curves(layout.system)[0][8] == pytest.approx(curves(of_dense.system)[0][8] + more)


def test_users_are_spread_over_chains_where_that_is_faster():
    pair = [{"name": name, "gpu": "a100_80gb_sxm", "rtt_ms": 0.3} for name in ("one", "two")]
    both = plan(for_users(4, servers=pair, engine="llama.cpp"))
    alone = plan(for_users(2, servers=pair[:1], engine="llama.cpp"))
    assert both.composition.capacity.tolist() == [2, 2]
    assert both.goal_value == pytest.approx(alone.goal_value, rel=0.02)


def test_chains_for_users_keep_to_the_limits_of_llama_cpp():
    small = {"gpu": "rtx_3060", "memory_gb": 12, "free_memory_gb": 5}
    model, gpus = {"preset": "llama3_70b", "weights": "int8"}, [small | {"count": 10}]
    single = [small | {"name": f"s{n}", "rtt_ms": 0.3} for n in range(20)]
    boxes = [{"name": f"b{n}", "gpus": gpus, "rtt_ms": 0.3} for n in range(2)]
    numbers = {"memory_gb": 60, "free_memory_gb": 60, "bandwidth_gb_per_s": 60, "prefill_tflops": 5}
    slow = {"name": "slow", "rtt_ms": 0.3, **numbers}
    for servers, hops in ((single, 16), (boxes, 2)):
        assert plan(for_users(1, model=model, servers=servers)).composition.most_hops in (hops, hops + 1)
        with pytest.raises(InfeasibleError, match="on a chain of at most 15 devices, the most of the engine"):
            plan(for_users(1, model=model, servers=servers, engine="llama.cpp"))
        best = plan(for_users(1, model=model, servers=[*servers, slow], engine="llama.cpp"))
        used = best.composition.chain(0).servers
        assert sum(1 if servers is single or j == 2 else 10 for j in used) <= 15
        assert len(servers) in used
