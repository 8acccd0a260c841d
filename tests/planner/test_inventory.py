"""Reading inventories and layouts: every field is used, and every mistake is one sentence with a remedy."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from hardware_profiles.listed.gpus import reserve_gb
from hardware_profiles.networks.great_circle import great_circle_km
from hardware_profiles.profile import GpuProfile
from planner.inventory.efficiency import efficiency_of
from planner.inventory.engines import ENGINES
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from system import Composition, InfeasibleError, InputError, Placement
from system.models.decoder import served_model
from system.models.presets import preset
from tests.support.changes import NOTHING, changed
from workloads.arrivals import Poisson

EXAMPLES = Path(__file__).parents[2] / "planner" / "examples"
INVENTORY = {
    "model": {"preset": "llama3_8b", "weights": "int8"},
    "cache_tokens": 2048,
    "servers": [
        {"name": "big", "gpu": "rtx_3090", "rtt_ms": 4},
        {"name": "box", "count": 3, "memory_gb": 8, "prefill_tflops": 20, "bandwidth_gb_per_s": 200, "rtt_ms": 10},
    ],
    "workload": {"rate_per_s": 0.5, "input_tokens": 500, "output_tokens": 100},
}


def written(folder, content):
    """Write an inventory and return its path."""
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def refusal(folder, content, read=read_inventory):
    """Return the message with which an inventory is refused."""
    with pytest.raises(InputError) as caught:
        read(written(folder, content))
    return str(caught.value)


def test_servers_become_arrays_of_memory_and_time(tmp_path):
    inventory = read_inventory(written(tmp_path, INVENTORY))
    servers, model = inventory.servers, inventory.model
    assert servers.names == ("big", "box-1", "box-2", "box-3")
    assert inventory.gpus == ("rtx_3090", *["own numbers"] * 3)
    assert inventory.groups.tolist() == [0, 1, 1, 1]
    assert model == served_model(preset("llama3_8b"), 2048, "int8")
    kept_gb = 2 * 2**30 / 1e9 * 4096 / 14336  # for workspace, as PETALS keeps it
    assert reserve_gb(model) == pytest.approx(kept_gb)
    np.testing.assert_allclose(servers.memory_gb, [24 - kept_gb, *[8 - kept_gb] * 3])
    peak_s = [model.prefill_gflop / 20e3, model.decode_read_gb / 200]
    shares = efficiency_of("any").shares(GpuProfile("own numbers", "", "", 8, 20, 200, 0.001), model)
    np.testing.assert_allclose(servers.block_s[1], [0.001, *np.divide(peak_s, shares)])
    near_s, far_s = 0.004 + ENGINES["llama.cpp"].token_ms / 1e3, 0.01 + 0.018  # 18 ms over the Internet (paper Sec. 4)
    np.testing.assert_allclose(servers.communication_s[:2, [0, 2]], [[near_s] * 2, [far_s] * 2])
    np.testing.assert_allclose(servers.orchestrator_rtt_s, [0.004, 0.01, 0.01, 0.01])
    assert servers.rtt_s is None
    assert inventory.cost_per_hour is None
    assert any("reserved for workspace" in line for line in inventory.derivation)


def test_given_numbers_replace_the_defaults(tmp_path):
    content = changed(INVENTORY, "servers.1.free_memory_gb", 5.5) | {
        "overheads": {"token_ms": 1},
        "rtt_between_servers_ms": 3,
    }
    content["servers"][1] |= {"overhead_ms": 0.5, "cost_per_hour": 0.2}
    content["servers"][0] |= {"cost_per_hour": 1}
    inventory = read_inventory(written(tmp_path, content))
    servers = inventory.servers
    np.testing.assert_allclose(servers.memory_gb[1:], 5.5)
    np.testing.assert_allclose(servers.communication_s[0], [0.00428, 0, 0.005])
    assert servers.block_s[1, 0] == 0.0005
    assert inventory.cost_per_hour.tolist() == [1, 0.2, 0.2, 0.2]
    np.testing.assert_allclose(servers.rtt_s, 0.003 * (1 - np.eye(4)))


def test_a_profiles_cost_holds_where_an_entry_states_none(tmp_path):
    numbers = {"memory_gb": 16, "prefill_tflops": 65, "bandwidth_gb_per_s": 300, "overhead_s": 0.001}
    profile = {"name": "rented", "description": "", "source": "", "cost_per_hour": 0.4, **numbers}
    (tmp_path / "rented.yaml").write_text(yaml.safe_dump(profile))
    servers = [{"name": "a", "gpu": "rented.yaml", "rtt_ms": 1}, {"name": "b", "gpu": "rented.yaml", "rtt_ms": 1}]
    servers[1]["cost_per_hour"] = 0.3
    inventory = read_inventory(written(tmp_path, INVENTORY | {"servers": servers}))
    assert inventory.cost_per_hour.tolist() == [0.4, 0.3]


def test_gpus_are_read_by_everyday_names_and_from_files_beside_the_inventory(tmp_path):
    expected = read_inventory(written(tmp_path, INVENTORY)).servers.block_s[0]
    named = read_inventory(written(tmp_path, changed(INVENTORY, "servers.0.gpu", "RTX 3090")))
    np.testing.assert_array_equal(named.servers.block_s[0], expected)
    measured = {"name": "mine", "description": "d", "source": "s", "memory_gb": 12, "overhead_s": 0}
    measured |= {
        "prefill_tflops": 9,
        "bandwidth_gb_per_s": 9,
        "measured_block_s": {"llama3_8b_int8": [0.1, 0.02, 0.03]},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(measured))
    inventory = read_inventory(written(tmp_path, changed(INVENTORY, "servers.0.gpu", "mine.yaml")))
    assert inventory.servers.block_s[0].tolist() == [0.1, 0.02, 0.03]
    assert inventory.gpus[0] == "mine"


def test_regions_give_round_trips_by_distance(tmp_path):
    content = INVENTORY | {"orchestrator": "Frankfurt"}
    own = {key: value for key, value in INVENTORY["servers"][1].items() if key != "rtt_ms"}
    content["servers"] = [{"name": "a", "gpu": "t4", "region": "Paris"}, own | {"region": [59.33, 18.07]}]
    servers = read_inventory(written(tmp_path, content)).servers
    frankfurt, paris, stockholm = (50.11, 8.68), (48.86, 2.35), (59.33, 18.07)

    def rtt_s(one, other):
        return (0.5 + 10.0 + 0.014 * great_circle_km(*one, *other)) / 1e3

    np.testing.assert_allclose(servers.orchestrator_rtt_s[:2], [rtt_s(frankfurt, paris), rtt_s(frankfurt, stockholm)])
    np.testing.assert_allclose(servers.rtt_s[0, 1:], rtt_s(paris, stockholm))
    assert servers.rtt_s[1, 2] == pytest.approx(0.0105)  # neighbours: access latency alone
    assert not servers.rtt_s.diagonal().any()


def test_workloads_and_goals_are_read(tmp_path):
    inventory = read_inventory(written(tmp_path, INVENTORY))
    assert inventory.goal == Minimise()
    assert inventory.rate_per_s == 0.5
    assert isinstance(inventory.workload.arrivals, Poisson)
    assert inventory.workload.mean_job == (1, 500, 99)
    goals = {
        "p99.5": Minimise(0.995),
        "p50": Minimise(0.5),
        "mean": Minimise(),
    }
    for text, goal in goals.items():
        assert read_inventory(written(tmp_path, INVENTORY | {"goal": {"minimise": text}})).goal == goal
    slo = {"quantile": 0.9, "slo_s": 20}
    content = changed(INVENTORY, "workload.rate_per_s", NOTHING) | {"goal": {"largest_rate": slo}}
    assert read_inventory(written(tmp_path, content)).goal == LargestRate(0.9, 20)
    priced = INVENTORY | {"servers": [{"name": "a", "gpu": "t4", "rtt_ms": 1, "cost_per_hour": 1}]}
    assert read_inventory(written(tmp_path, priced | {"goal": {"cheapest": slo}})).goal == Cheapest(0.9, 20)


def test_a_trace_is_read_with_its_treatment_of_long_requests(tmp_path):
    lines = [f"2023-11-16 18:17:0{second}.0,{tokens},10" for second, tokens in ((1, 100), (2, 3000), (5, 200))]
    (tmp_path / "trace.csv").write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]))
    inventory = read_inventory(written(tmp_path, INVENTORY | {"workload": {"trace": "trace.csv"}}))
    assert inventory.rate_per_s is None
    assert inventory.workload.native_rate_per_s == 0.5
    assert inventory.workload.mean_job[1] == pytest.approx((100 + 2038 + 200) / 3)
    sized = {"trace": "trace.csv", "over_length": "size_to_trace", "rate_per_s": 2}
    inventory = read_inventory(written(tmp_path, INVENTORY | {"workload": sized}))
    assert inventory.rate_per_s == 2
    assert inventory.model == served_model(preset("llama3_8b"), 3010, "int8")
    (tmp_path / "trace.csv").write_text("TIMESTAMP,ContextTokens\n")
    assert "has no column GeneratedTokens" in refusal(tmp_path, INVENTORY | {"workload": {"trace": "trace.csv"}})


def test_a_trace_needs_requests_at_several_times(tmp_path):
    (tmp_path / "trace.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n5,100,10\n5,100,10\n")
    message = refusal(tmp_path, INVENTORY | {"workload": {"trace": "trace.csv", "rate_per_s": 2}})
    assert re.search(r"trace of workload = .*trace.csv: .* give a trace whose requests come at several times", message)


def test_a_trace_may_have_another_format(tmp_path):
    lines = [f"{second},ChatGPT,100,{tokens}" for second, tokens in ((1700, 5), (1701, 0), (1704, 7))]
    (tmp_path / "burst.csv").write_text("\n".join(["Timestamp,Model,Request tokens,Response tokens", *lines]))
    workload = {"trace": "burst.csv", "format": "burstgpt"}
    message = r"workload: .*burst.csv, line 3: Response tokens = 0 must be .* set unanswered to drop or one_token"
    assert re.search(message, refusal(tmp_path, INVENTORY | {"workload": workload}))
    inventory = read_inventory(written(tmp_path, INVENTORY | {"workload": workload | {"unanswered": "drop"}}))
    assert inventory.workload.native_rate_per_s == pytest.approx(1 / 4)
    assert inventory.workload.mean_job == (1, 100, 5)


def test_regions_may_be_a_table_of_round_trips(tmp_path):
    servers = [{"gpu": "t4", "count": 2, "region": "lab"}, {"gpu": "t4", "region": "cloud"}]
    table = {"lab": {"lab": 1, "cloud": 30}, "cloud": {"cloud": 2}}
    content = INVENTORY | {"servers": servers, "orchestrator": "lab", "rtt_between_regions_ms": table}
    read = read_inventory(written(tmp_path, content)).servers
    np.testing.assert_allclose(read.orchestrator_rtt_s, [0.001, 0.001, 0.03])
    np.testing.assert_allclose(read.rtt_s, [[0, 0.001, 0.03], [0.001, 0, 0.03], [0.03, 0.03, 0]])


OWN_MODEL = {"name": "own", "family": "llama", "block_count": 4, "hidden_size": 64, "heads": 4, "kv_heads": 2}


def test_a_model_can_be_described_or_read_from_a_config(tmp_path):
    shape = OWN_MODEL | {"intermediate_size": 100, "head_size": 32}
    model = read_inventory(written(tmp_path, INVENTORY | {"model": {"shape": shape, "cache": "8 bit"}})).model
    assert model.block_memory_gb == 2 * (64 * 32 * 12 + 3 * 64 * 100 + 2 * 64) / 1e9
    assert model.cache_memory_gb == 2 * 2 * 32 * 2048 / 1e9
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "_name_or_path": "x/own", "num_hidden_layers": 4, "hidden_size": 64,'
        ' "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 100, "head_dim": 32}'
    )
    from_config = read_inventory(written(tmp_path, INVENTORY | {"model": {"config": "config.json", "cache": "8 bit"}}))
    assert from_config.model == model


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("servers.0.rtt_ms", -3, "rtt_ms of server big = -3: must be a finite number, 0 or above"),
        ("servers.0.rtt_ms", "1e3", "rtt_ms of server big = 1e3: is read as text; write 1000 without quotes"),
        ("servers.0.rtt_ms", None, "rtt_ms of server big is missing: give the round-trip time to the orchestrator"),
        ("servers.0.region", "Paris", "rtt_ms of server big = 4: region sets it already"),
        ("servers.0.gpu", "RTX 4900", "gpu of server big: .*did you mean rtx_4090 or "),
        ("servers.0.gpu", None, "gpu of server big is missing: give a profile's name, such as rtx_4090, or memory_gb"),
        ("servers.0.memory_gb", -24, "memory_gb of server big = -24: must be a finite number above 0"),
        ("servers.0.free_memory_gb", 26, "free_memory_gb of server big = 26: is more than the 24 GB of its GPU"),
        ("servers.0.name", "box-2", "name = box-2: two servers have it"),
        ("servers.0.name", None, "name of server number 1 is missing"),
        ("servers.0.rtt", 4, "key of server big = rtt: .*did you mean rtt_ms"),
        (
            "servers.0.cost_per_hour",
            1,
            "cost_per_hour of server box-1 is missing: give it for every server or for none",
        ),
        ("servers.1.memory_gb", None, "memory_gb of server box is missing: give the memory of its GPU in GB"),
        (
            "servers.1.memory_gb",
            0.5,
            "memory of server box = 0.5 GB: is not more than the 0.614 GB reserved for workspace",
        ),
        ("servers.1.prefill_tflops", 0, "prefill_tflops of server box = 0: must be a finite number above 0"),
        ("servers.1.count", 1.5, "count of server box = 1.5: must be a whole number of at least 1"),
        ("servers", [], r"servers = \[\]: must be a list of at least one server"),
        ("servers", ["big"], "server number 1 = big: must be a mapping with keys of name, "),
        ("model", None, "model is missing: give a preset's name"),
        ("model", "llama3_80b", "model = llama3_80b: .*did you mean llama3_8b or llama3_70b"),
        ("model.weights", "fp4", "weights of model = fp4: unknown; did you mean nvfp4 or mxfp4"),
        ("model.config", "config.json", "model = .*'preset', 'config'.*: give exactly one of preset, config, shape"),
        ("model", {"shape": OWN_MODEL}, "intermediate_size of shape of model is missing"),
        ("cache_tokens", None, "cache_tokens is missing: give the tokens of a request, prompt and output together"),
        ("cache_tokens", 599, "cache_tokens = 599: the mean request has 600 tokens .*does not fit"),
        ("workload.rate_per_s", None, "rate_per_s of workload is missing: give requests per second"),
        ("workload.input_tokens", 0.5, "input_tokens of workload = 0.5: must be at least 1"),
        ("workload.over_length", "drop", "over_length of workload = given: is for traces"),
        ("workload", {"trace": "no.csv"}, "trace of workload = .*no.csv: there is no such file"),
        ("workload", {"trace": "no.csv", "input_tokens": 3}, "input_tokens of workload = 3: the trace sets it already"),
        ("goal", {"minimize": "p95"}, "key of goal = minimize: .*did you mean minimise"),
        (
            "goal",
            {"tokens_per_s": 15},
            "goal = {tokens_per_s: ...}: takes no number, .*; write goal: tokens_per_s, and users",
        ),
        ("goal", {"minimise": "p100"}, "minimise of goal = p100: must be mean or a percentile"),
        ("goal", {"minimise": "p0"}, "minimise of goal = p0: must be mean or a percentile"),
        ("goal", {}, r"goal = \[\]: give exactly one of minimise, maximise, largest_rate, cheapest"),
        (
            "goal",
            {"largest_rate": {"quantile": 0.9, "slo_s": 9}},
            "rate_per_s of workload = 0.5: the goal largest_rate finds it",
        ),
        ("goal", {"cheapest": {"quantile": 0.9, "slo_s": 9}}, "cost_per_hour is missing: the goal cheapest needs it"),
        ("goal", {"cheapest": {"quantile": 95, "slo_s": 9}}, "quantile = 95: must lie between 0 and 1"),
        ("wokload", {}, "key = wokload: .*did you mean workload"),
        ("overheads", {"prefil_ms": 1}, "key of overheads = prefil_ms: .*did you mean prefill_ms"),
    ],
)
def test_a_mistake_is_one_sentence_with_field_value_and_remedy(tmp_path, path, value, message):
    refused = refusal(tmp_path, changed(INVENTORY, path, NOTHING if value is None else value))
    assert re.search(message, refused), refused
    assert "\n" not in refused


def test_wrong_regions_are_named(tmp_path):
    content = INVENTORY | {"servers": [{"name": "a", "gpu": "t4", "region": "Paris"}]}
    assert refusal(tmp_path, content).startswith("orchestrator is missing: give a city")
    content |= {"orchestrator": "Frankfurt am Main"}
    assert "orchestrator = Frankfurt am Main: unknown; did you mean Frankfurt" in refusal(tmp_path, content)
    content |= {"orchestrator": [91, 0]}
    assert refusal(tmp_path, content) == "orchestrator = [91, 0]: must be [latitude, longitude] in degrees"
    content |= {"orchestrator": "Paris", "rtt_between_servers_ms": 3}
    assert "rtt_between_servers_ms = 3: the regions set it already" in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "is not YAML in line 2 "),
        ("- a list", r"the file = \['a list'\]: must be a mapping with keys of model, "),
        (
            "model: a\nservers: []\nservers: []",
            "in line 3 of .* = servers: appears twice in one mapping",
        ),
        (
            "servers:\n- name: a\n  name: b",
            "key of servers in line 3 of .* = name: appears twice",
        ),
        ("", "the file = None: must be a mapping"),
    ],
)
def test_files_that_are_no_inventory_are_refused(tmp_path, text, message):
    path = tmp_path / "inventory.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_inventory(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_inventory(tmp_path / "other.yaml")


def layout_content(*blocks, **more):
    """Return the inventory with the blocks of each entry."""
    content = copy.deepcopy(INVENTORY)
    for server, hosted in zip(content["servers"], blocks, strict=True):
        server["blocks"] = hosted
    return content | more


def test_a_swarm_is_a_placement_with_half_open_ranges(tmp_path):
    inventory, placement = read_layout(written(tmp_path, layout_content("0:32", "10:32")))
    assert isinstance(placement, Placement)
    assert placement.first_block.tolist() == [0, 10, 10, 10]
    assert placement.end_block.tolist() == [32, 32, 32, 32]
    assert inventory.servers.names == ("big", "box-1", "box-2", "box-3")


def test_a_range_without_quotes_is_text_although_other_readers_make_it_a_number(tmp_path):
    path = written(tmp_path, layout_content("0:32", "X"))
    path.write_text(path.read_text().replace("blocks: X", "blocks: 18:32"))
    assert yaml.safe_load(path.read_text())["servers"][1]["blocks"] == 18 * 60 + 32
    assert read_layout(path)[1].first_block.tolist() == [0, 18, 18, 18]


def test_chains_of_a_partition_are_a_composition(tmp_path):
    chains = [{"servers": ["big", "box-2"], "capacity": 3}, {"servers": ["big", "box-1"], "capacity": 2}]
    inventory, composition = read_layout(written(tmp_path, layout_content("0:16", "12:32", chains=chains)))
    assert isinstance(composition, Composition)
    assert sorted((chain.servers, chain.blocks, chain.capacity) for chain in composition.chains) == [
        ((0, 1), (16, 16), 2),
        ((0, 2), (16, 16), 3),
    ]
    assert inventory.rate_per_s == 0.5


ONE = {"capacity": 1}


@pytest.mark.parametrize(
    ("blocks", "chains", "message"),
    [
        (("0:32", "12-32"), None, "blocks of server box = 12-32: must be the range of its blocks, such as"),
        (("0:32", "12:12"), None, "blocks of server box = 12:12: must be the range of its blocks"),
        (("0:32", 18), None, "blocks of server box = 18: must be the range of its blocks"),
        (("0:32", "20:33"), None, "box-1 would host blocks 20 to 32, but llama3_8b_int8 ends at block 31"),
        (("0:16", "16:32"), [], r"chains = \[\]: must be a list of at least one chain"),
        (("0:16", "16:32"), [{"servers": ["big"], **ONE}], r"servers of chain 1 = .*: they end at block 16 of 32"),
        (
            ("0:16", "20:32"),
            [{"servers": ["big", "box-1"], **ONE}],
            "box-1, which hosts blocks 20:32: must host block 16",
        ),
        (("0:16", "16:32"), [{"servers": ["big", "bax"], **ONE}], "servers of chain 1 = bax: there is no such server"),
        (("0:16", "16:32"), [{"servers": ["big", "box-1"]}], "capacity of chain 1 is missing"),
        (
            ("0:16", "16:32"),
            [{"servers": ["big", "box-1"], "capacity": 99}],
            "cache slots of box-1 = .*: its chains need",
        ),
    ],
)
def test_an_impossible_layout_is_refused(tmp_path, blocks, chains, message):
    more = {} if chains is None else {"chains": chains}
    refused = refusal(tmp_path, layout_content(*blocks, **more), read_layout)
    assert re.search(message, refused), refused


def test_a_layout_needs_memory_and_blocks(tmp_path):
    content = layout_content("0:32", "0:32")
    content["servers"][1]["free_memory_gb"] = 3
    with pytest.raises(InfeasibleError, match=r"box-1 has 3 GB but its 32 blocks need .* GB are missing"):
        read_layout(written(tmp_path, content))
    assert "blocks of server big is missing" in refusal(tmp_path, INVENTORY, read_layout)
    assert "this file is a layout; use plan.py evaluate to read it" in refusal(tmp_path, layout_content("0:32", "0:32"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_read(path):
    if "layout" in path.stem:
        inventory, layout = read_layout(path)
        layout.check(inventory.system(1.0)) if isinstance(layout, Placement) else layout.check()
    else:
        inventory = read_inventory(path)
    assert len(inventory.servers) == len(inventory.gpus) == len(inventory.groups)


def test_the_examples_have_the_stated_sizes():
    assert len(read_inventory(EXAMPLES / "lab.yaml").servers) == 4
    assert len(read_inventory(EXAMPLES / "volunteers.yaml").servers) == 40
    assert len(read_inventory(EXAMPLES / "datacentre.yaml").servers) == 400
