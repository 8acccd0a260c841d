"""Output of a plan in unusual cases: numbers, names and files."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from planner.choice.search import plan_of_layout
from planner.inventory.goals import LargestRate
from planner.inventory.reading import read_inventory
from planner.output.card import WIDTH, plan_card
from planner.output.document import plan_document
from planner.output.files import write
from planner.output.folders import require_folder
from planner.output.start_commands import exports
from planner.results import Alternative, Plan, Study
from planner.words import digits
from system import InputError, Placement
from system.words import listed
from tests.exports import shell
from tests.support.project import ROOT


@pytest.fixture(scope="module")
def lab():
    blocks = Placement(np.array([0, 0, 40, 60]), np.array([80, 40, 40, 20]))
    return plan_of_layout(read_inventory(ROOT / "planner/examples/lab.yaml"), blocks)


def bare(best: Plan) -> Study:
    return Study(best, alternatives=(), unused=(), server_values=(), ranges=(), bottleneck="none", warnings=())


def with_model_name(best: Plan, name: str) -> Plan:
    return replace(best, inventory=replace(best.inventory, model=replace(best.inventory.model, name=name)))


def with_server_names(best: Plan, name: str) -> Plan:
    """Return a plan whose servers have this name, each followed by its number."""
    system = best.composition.system
    servers = replace(system.servers, names=tuple(f"{name}{j}" for j in range(len(system.servers))))
    composition = replace(best.composition, system=replace(system, servers=servers))
    return replace(best, composition=composition)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.0, "12.0 s"), (999.7, "1,000 s"), (1234.5, "1,230 s"), (0.00042, "0.00042 s"), (0.0, "0 s"), (None, "-")],
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert digits(value, "s") == text


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_names_are_listed_with_an_and(names, text):
    assert listed(names) == text


def with_precisions(best: Plan, weights: str, cache: str) -> Plan:
    return replace(best, inventory=replace(best.inventory, weights=weights, cache=cache))


def test_a_name_never_becomes_a_command(lab, tmp_path):
    hostile = with_model_name(with_server_names(lab, "a\ntouch owned\n"), "m\ntouch owned\n")
    for export, plain in zip(exports(hostile), exports(lab), strict=True):
        assert shell.is_valid(export.script, tmp_path)
        assert len(shell.command_lines(export.script)) == len(shell.command_lines(plain.script)) > 0
        assert not any("owned" in line for line in shell.command_lines(export.script))


def test_the_start_commands_have_the_precisions_of_the_plan(lab):
    by_weights = {"nf4": ("bitsandbytes", "nf4", "IQ4_XS"), "int8": ("int8_per", "int8", "Q8_0")}
    for weights, (vllm, petals, llamacpp) in by_weights.items():
        scripts = {export.name: export.script for export in exports(with_precisions(lab, weights, "16 bit"))}
        assert scripts["vllm"].count(f"--quantization {vllm}") == 3
        assert scripts["petals"].count(f"--quant_type {petals} ") == 4
        assert scripts["llamacpp"].count(f"weights of {llamacpp} ") == 1
    eight = {export.name: export.script for export in exports(with_precisions(lab, "nf4", "8 bit"))}
    assert eight["vllm"].count("--kv-cache-dtype fp8") == 3
    assert eight["llamacpp"].count("-ctk q8_0 -ctv q8_0") == 2
    assert shell.command_lines(eight["petals"]) == []


def test_the_model_is_named_without_the_precision_of_its_weights(lab):
    prefixes = {shell.option(words, "--dht_prefix") for words in shell.words(exports(lab)[1].script)}
    assert prefixes == {"llama3_70b"}


def test_the_table_leaves_out_the_details_of_long_names(lab):
    name = "equal split (2 stages, up to 2.074/s under the SLO)"
    lines = plan_card(replace(bare(lab), alternatives=(Alternative(name, lab.prediction),)), "lab", lab).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert f"  {name}." in lines
    mean = re.escape(digits(lab.prediction.mean_s, "s"))
    assert any(re.match(rf"  equal split +{mean} +\+0%", line) for line in lines)


def test_a_server_on_no_chain_is_called_a_spare(lab):
    petals = next(export for export in exports(lab) if export.name == "petals")
    comments = [line for line in petals.script.splitlines() if line.startswith("# ")]
    assert [line for line in comments if "on no chain" in line] == [
        "# shared-box (own numbers), a spare on no chain of the plan"
    ]


def test_the_document_names_the_quantity_of_its_values(lab):
    assert plan_document(bare(lab), lab)["quantity"] == {"name": "P95 response time", "unit": "s"}
    largest = replace(lab, inventory=replace(lab.inventory, goal=LargestRate(0.9, 30.0)))
    quantity = plan_document(bare(largest), largest)["quantity"]
    assert quantity == {"name": "largest rate with P90 within 30 s", "unit": "/s"}


def test_the_names_returned_are_those_of_the_files_written(lab, tmp_path):
    (tmp_path / "notes.txt").write_text("of the user")
    written = write(tmp_path, bare(lab), lab, with_picture=False)
    assert {*written, "notes.txt"} == {path.name for path in tmp_path.iterdir()}
    assert "notes.txt" not in written


def test_a_folder_that_cannot_be_made_is_refused_in_one_sentence(lab, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        for refuse in (require_folder, lambda folder: write(folder, bare(lab), lab, with_picture=False)):
            with pytest.raises(InputError, match=f"to = {folder}: .*; name a folder that can be written"):
                refuse(folder)
    require_folder(tmp_path / "new/below")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["pays $5 for $x^2", r"$\frac{1", "服务器", "n" * 200])
def test_any_name_can_be_drawn(lab, tmp_path, name):
    hostile = with_model_name(with_server_names(lab, name), name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "plan.png" in write(tmp_path, bare(hostile), hostile, with_picture=True)
