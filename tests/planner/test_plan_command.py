"""`plan.py` as an operator meets it: from a written inventory to predicted times, a picture and start commands."""

import json
import re
import subprocess
from dataclasses import fields, replace

import matplotlib as mpl
import numpy as np
import pytest
import yaml

from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import LargestRate
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.output.card import WIDTH, plan_card
from planner.output.document import plan_document
from planner.output.export import petals_commands, shared_servers, vllm_commands
from planner.output.picture import MOST_ROWS, plan_picture
from planner.results import Study
from planner.study.cautions import prefill_share
from planner.study.study_plan import study
from system import InputError
from tests.support.project import ROOT, script

EXAMPLES = ROOT / "planner/examples"
INVENTORIES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if "layout" not in path.stem)
LAYOUTS = sorted(path.stem for path in EXAMPLES.glob("*layout.yaml"))
SMALL = "lab"

mpl.use("agg")


@pytest.fixture(scope="module")
def studies():
    """The study of every example, and the best plan beside it."""
    found = {}
    for name in INVENTORIES:
        best = plan(read_inventory(EXAMPLES / f"{name}.yaml"))
        found[name] = study(best), best
    for name in LAYOUTS:
        inventory, layout = read_layout(EXAMPLES / f"{name}.yaml")
        found[name] = study(plan_of_layout(inventory, layout)), plan(inventory)
    return found


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_card_fits_the_terminal_and_tells_all_that_was_found(studies, name):
    found, best = studies[name]
    told = plan_card(found, name, best)
    assert max(map(len, told.splitlines())) <= WIDTH + 12  # names of a user's own may be long
    for other in found.alternatives:
        assert other.name in told.replace("\n    ", " ")
    assert "P95" in told
    assert ("A new plan for" in told) == (name in LAYOUTS) == ("new plan (c = " in told)
    places = re.search(r"with (\d+) places?[;.]", told.replace("\n    ", " "))
    assert places is not None
    assert int(places[1]) == found.plan.composition.slot_count


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_document_is_json_with_everything_of_the_study(studies, name):
    found, best = studies[name]
    told = json.loads(json.dumps(plan_document(found, best), allow_nan=False))
    assert {field.name for field in fields(Study)} <= told.keys()
    assert told["plan"]["prediction"]["mean_s"] == found.plan.prediction.mean_s
    assert len(told["plan"]["chains"]) == len(found.plan.composition)
    assert sum(chain["capacity"] for chain in told["plan"]["chains"]) == found.plan.composition.slot_count
    names = {server["name"] for server in told["plan"]["servers"]}
    assert all(set(chain["servers"]) <= names for chain in told["plan"]["chains"])
    for server in told["plan"]["servers"]:
        assert server["cache_slots_of_chains"] <= server["cache_slots"]


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_petals_script_has_the_blocks_and_the_cache_of_every_hosting_server(studies, name):
    _, best = studies[name]
    script = petals_commands(best)
    composition = best.composition
    placement, system = composition.placement, composition.system
    hosting = np.flatnonzero(placement.block_count > 0)
    lines = [line for line in script.splitlines() if line.startswith("python -m petals")]
    assert len(lines) == hosting.size
    for j, line in zip(hosting, lines, strict=True):
        assert f"--block_indices {placement.first_block[j]}:{placement.end_block[j]} " in line
        assert f"--inference_max_length {system.model.cache_tokens} " in line  # PETALS' own is less for some models
        tokens = int(re.search(r"--attn_cache_tokens (\d+)", line)[1])
        cache_gb = tokens * placement.block_count[j] * system.model.cache_memory_gb / system.model.cache_tokens
        blocks_gb = placement.block_count[j] * system.model.block_memory_gb
        assert cache_gb + blocks_gb <= system.servers.memory_gb[j] * (1 + 1e-9)
        used = composition.slots_used()[j] * system.model.cache_tokens // placement.block_count[j]
        assert tokens >= used  # room for all places of the chains


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_vllm_script_has_an_engine_for_each_chain_of_its_own_servers(studies, name):
    _, best = studies[name]
    script, composition = vllm_commands(best), best.composition
    shared = shared_servers(composition)
    own = [k for k in range(len(composition)) if not shared & set(composition.chain(k).servers)]
    several = [composition.chain(k) for k in own if len(composition.chain(k).servers) > 1]
    stage = r"stage \d+ of \d+: (.+) \d+:\d+\nVLLM_PP_LAYER_PARTITION=([\d,]+) .*-size (\d+) .*--node-rank (\d+)"
    found = [(name, split, int(size), int(rank)) for name, split, size, rank in re.findall(stage, script)]
    assert found == [
        (composition.system.servers.name(j), ",".join(map(str, chain.blocks)), len(chain.servers), rank)
        for chain in several
        for rank, j in enumerate(chain.servers)
    ]
    serving = [line for line in script.splitlines() if "vllm serve" in line and "--headless" not in line]
    assert len(serving) == len(own)
    assert ("HEAD=" in script) == bool(several)
    assert script.count("has no engine") == len(composition) - len(own)
    assert "NOT valid" in script


@pytest.mark.parametrize("name", ["lab", "volunteers", "datacentre", "swarm_layout"])
def test_the_picture_has_a_bar_a_row_and_the_fastest_chains(studies, name):
    found, _ = studies[name]
    drawn = plan_picture(found.plan)
    axes = drawn.axes[0]
    hosting = int((found.plan.composition.placement.block_count > 0).sum())
    assert len(axes.patches) == len(axes.get_yticks()) == min(hosting, len(axes.patches)) <= MOST_ROWS
    assert axes.get_xlim() == (0, found.plan.composition.system.model.block_count)
    first = found.plan.composition.chain(0)
    ends = [line.get_xdata() for line in axes.lines if str(line.get_label()).startswith("1: ")]
    assert len(ends) == 1
    assert ends[0][1::2].tolist() == np.cumsum(first.blocks).tolist()


def test_the_command_writes_what_it_says_and_the_scripts_are_sound(tmp_path):
    done = script("plan.py", EXAMPLES / f"{SMALL}.yaml", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"written: {tmp_path}/ with plan.json, export_petals.sh, export_vllm.sh, plan.png, plan.svg" in done.stdout
    for exported in tmp_path.glob("*.sh"):
        assert subprocess.run(["sh", "-n", exported], check=False).returncode == 0
    assert (tmp_path / "plan.png").stat().st_size > 10_000


def test_a_layout_is_asked_the_same_questions(tmp_path):
    done = script("plan.py", "evaluate", "--to", tmp_path, "--no-picture", EXAMPLES / "swarm_layout.yaml")
    assert done.returncode == 0, done.stderr
    for section in ("this layout", "A new plan", "Bottleneck", "Without a server", "If inputs are off"):
        assert section in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "export_petals.sh", "export_vllm.sh"}


def wrong(content, **changes):
    return content | changes


WRONG = {
    "missing memory": (
        lambda c: wrong(c, servers=[{"name": "a", "prefill_tflops": 1, "bandwidth_gb_per_s": 1, "rtt_ms": 1}]),
        "memory_gb",
    ),
    "unknown GPU": (lambda c: wrong(c, servers=[{"name": "a", "gpu": "rtx_409", "rtt_ms": 1}]), "rtx_4090"),
    "negative RTT": (
        lambda c: wrong(c, servers=[c["servers"][0] | {"rtt_ms": -1}]),
        "rtt_ms of server workstation = -1",
    ),
    "same name twice": (lambda c: wrong(c, servers=[c["servers"][0]] * 2), "workstation"),
    "fits nowhere": (lambda c: wrong(c, servers=[c["servers"][2]], model="llama3_405b"), "GB are missing"),
    "too fast": (lambda c: wrong(c, workload=c["workload"] | {"rate_per_s": 500}), "carries less than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_inventory_is_refused_with_what_is_wrong(case, tmp_path):
    change, told = WRONG[case]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(change(yaml.safe_load((EXAMPLES / f"{SMALL}.yaml").read_text()))))
    with pytest.raises(InputError, match=told):
        plan(read_inventory(path))


def test_inputs_may_be_off_by_another_share_but_not_by_all(studies):
    _, best = studies[SMALL]
    narrow, wide = study(best, 0.1).ranges[0], study(best, 0.5).ranges[0]
    assert wide.low < narrow.low < best.prediction.quantiles_s[0.95] < narrow.high < wide.high
    with pytest.raises(InputError, match=r"off = 1\.5: must lie between 0 and 1"):
        study(best, 1.5)


def test_a_plan_of_one_server_is_a_plan(tmp_path):
    path = tmp_path / "one.yaml"
    servers = [{"name": "only", "gpu": "rtx_4090", "rtt_ms": 1}]
    content = {"model": "llama3_8b", "cache_tokens": 2048, "servers": servers}
    workload = {"rate_per_s": 0.5, "input_tokens": 200, "output_tokens": 100}
    path.write_text(yaml.safe_dump(content | {"workload": workload, "goal": {"minimise": "p95"}}))
    best = plan(read_inventory(path))
    found = study(best)
    assert [value.reason for value in found.server_values] == ["it is the only server"]
    assert "18 ms" in plan_card(found, "one", best)  # overheads that were not given are told


def test_prompts_beyond_the_arithmetic_of_a_server_are_a_warning(studies):
    best = studies[SMALL][1]
    share = prefill_share(best)
    system, composition = best.composition.system, best.composition
    chain = composition.chain(0)
    rate = best.prediction.rate_per_s * best.prediction.chain_shares[0]
    expected = rate * chain.blocks[0] * system.servers.block_s[chain.servers[0], 1] * system.mean_job[1]
    on_one_chain = chain.servers[0] not in shared_servers(composition)
    assert share[chain.servers[0]] == pytest.approx(expected) if on_one_chain else share[chain.servers[0]] > expected
    told = study(plan(replace(best.inventory, goal=LargestRate(0.95, 60.0), rate_per_s=None))).warnings
    assert any("of the arithmetic of" in warning for warning in told)


def test_what_is_wrong_is_one_sentence_and_no_traceback(tmp_path):
    done = script("plan.py", tmp_path / "absent.yaml", "--to", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr == f"error: file = {tmp_path / 'absent.yaml'}: there is no such file\n"
    assert not (tmp_path / "out").exists()


def test_a_service_model_that_needs_whole_tokens_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "lab.yaml"
    path.write_text((EXAMPLES / f"{SMALL}.yaml").read_text() + "service: steps\n")
    done = script("plan.py", path, "--to", tmp_path / "out")
    assert done.returncode == 1
    said = r"(compiling, .*\n)?error: workload: its jobs have parts of tokens .*; use .* or a trace\n"
    assert re.fullmatch(said, done.stderr)
    assert not (tmp_path / "out").exists()
