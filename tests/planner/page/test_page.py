"""The page of a plan has what the card, the document and the scripts have, as text and in one file."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from planner.choice.search import plan
from planner.inventory.reading import read_inventory
from planner.output.card import plan_card
from planner.output.document import plan_document
from planner.output.page.commands import parts_of, to_copy
from planner.output.page.drawing import BLOCKS, LEFT, canvas_of
from planner.output.page.page import plan_page
from planner.output.start_commands import exports
from planner.results import InputRange, Study
from planner.words import digits
from tests.exports import shell
from tests.planner.page.studies import EXAMPLES, HOSTILE, datacentre, lab, renamed, swarm
from tests.support.web.html_tree import Page, words

STUDIES = {"lab": lab, "swarm_layout": swarm, "datacentre": datacentre}
LARGEST_BYTES = 3_000_000


@pytest.fixture(scope="module", params=STUDIES)
def shown(request):
    """Return a study, its best plan and its page."""
    result, best = STUDIES[request.param]()
    return result, best, Page(plan_page(result, request.param, best)).root


def parts(page):
    """Return the sections of a page by their headings."""
    return {words(section.find("h2")): section for section in page.iter("section")}


def cells(element):
    return {words(cell) for cell in element.iter("td")}


def codes(page):
    return ["".join(code.itertext()) for code in page.iter("code")]


def test_every_cell_and_sentence_of_the_card_is_in_its_section(shown):
    result, best, page = shown
    sections = parts(page)
    title, *others = plan_card(result, "title", best).split("\n\n")
    assert " ".join(title.split()[1:]) in words(page.find("body/header"))
    for other in others:
        heading, *lines = other.splitlines()
        section = sections[heading]
        text = words(section)
        for line in lines:
            if "more chain" not in line and "more server" not in line:  # the card is cut there
                assert all(part.strip() in text for part in line.split("  ")), line


def test_tables_are_whole(shown):
    result, _, page = shown
    composition = result.plan.composition
    for k, row in enumerate(parts(page)["Chains"].find(".//tbody")):
        chain = composition.chain(k)
        texts = [words(cell) for cell in row]
        assert [texts[0], *texts[2:4]] == [str(k + 1), str(chain.capacity), digits(chain.mean_service_s, "s")]
        hops = [hop.rsplit(" ", 1) for hop in texts[1].split(" > ")]
        assert [name for name, _ in hops] == [composition.system.servers.name(j) for j in chain.servers]
        assert [int(end) - int(first) for first, end in (blocks.split(":") for _, blocks in hops)] == [*chain.blocks]
    assert k + 1 == len(composition)


def test_lists_of_the_document_are_tables_with_every_entry(shown):
    result, best, page = shown
    document = json.loads(json.dumps(plan_document(result, best)))
    tables = {words(table.find("caption")): table for table in parts(page)["All numbers"].iter("table")}
    lists = {f"plan, {key}": entries for key, entries in document["plan"].items()} | document
    lists = {key: entries for key, entries in lists.items() if isinstance(entries, list) and entries}
    of_objects = {key.replace("_", " "): entries for key, entries in lists.items() if isinstance(entries[0], dict)}
    assert of_objects.keys() <= tables.keys()
    assert {key: len(tables[key].find("tbody")) for key in of_objects} == {
        key: len(entries) for key, entries in of_objects.items()
    }
    names = {server["name"] for server in document["plan"]["servers"]}
    assert names <= cells(tables["plan, servers"])


def test_every_command_is_on_the_page_once(shown):
    _, best, page = shown
    copied, text = [code.splitlines()[-1] for code in codes(page)], words(page)
    for export in exports(best):
        for line in shell.command_lines(export.script):
            assert copied.count(line) == 1, line
        comments = [line for line in export.script.splitlines() if line.startswith("# ")]
        assert all(words_of_comment(line) in text for line in comments)


def words_of_comment(line):
    return " ".join(line.removeprefix("#").split())


def test_a_copied_command_sets_the_variables_that_it_needs_and_no_others():
    _, best = lab()
    for export in exports(best):
        script, given = parts_of(export.script), shell.values(export.script)
        assert [command.text for command in script.commands] == shell.command_lines(export.script)
        for command in script.commands:
            *variables, line = to_copy(script, command).splitlines()
            assert set(variables) <= set(shell.variables(export.script))
            assert all(f"${variable.partition('=')[0]}" in line for variable in variables)
            done = shell.run(["set -u", *variables, f"printf '%s ' {line}"], **given)
            assert done.returncode == 0, done.stderr


def test_the_page_needs_nothing_else_and_its_anchors_lead_somewhere(shown):
    _, _, page = shown
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in page.iter():
        assert not element.get("src")
        if element.get("href"):
            assert element.get("href") == "data:," or element.get("href")[1:] in ids
    assert "default-src 'none'" in page.find("head/meta[@http-equiv]").get("content")


def test_controls_and_regions_have_names(shown):
    _, _, page = shown
    for element in page.iter():
        if element.tag in ("button", "pre", "svg") or element.get("role") == "region":
            assert element.get("aria-label") or words(element)
    assert all(label.find("input") is not None for label in page.iter("label"))


def test_names_that_users_chose_are_text():
    result, best = renamed(HOSTILE)
    page = Page(plan_page(result, HOSTILE, best)).root
    assert len(list(page.iter("script"))) == 1
    assert not any(name.startswith("on") for element in page.iter() for name in element.attrib)
    assert words(page.find(".//h1")) == HOSTILE
    assert f"{HOSTILE}0" in cells(parts(page)["Servers"])
    assert any(HOSTILE in words(text) for text in page.iter("title"))


def test_the_page_and_the_scripts_for_users_begin_with_their_speed():
    inventory = read_inventory(EXAMPLES / "one_user.yaml")
    best = plan(inventory)
    page = Page(plan_page(Study(best, (), (), (), (), bottleneck="the cache", warnings=()), "home", best)).root
    numbers = page.find(".//dl[@class='numbers']")
    named = dict(zip(map(words, numbers.iter("dt")), map(words, numbers.iter("dd")), strict=True))
    output = inventory.workload.output_tokens
    first_s = best.user_speed.first_token_s
    token_s = (best.composition.chain(0).mean_service_s - first_s) / (
        output - 1
    )  # of equation (2), as no other request slows it
    assert named["tokens/s each"] == digits(1 / token_s)
    assert named["first token"] == digits(first_s, "s")
    assert not any("response time" in name for name in named)
    for export in exports(best):
        assert f"for 1 user at once: predicted {digits(1 / token_s)} tokens/s for each, the first" in export.script


def test_the_page_of_400_servers_is_small():
    result, best = datacentre()
    assert len(best.members) == 400
    assert len(plan_page(result, "datacentre", best).encode()) < LARGEST_BYTES


@pytest.mark.parametrize("name", STUDIES)
def test_every_chain_runs_through_its_servers_and_blocks_in_the_picture(name):
    canvas = canvas_of(STUDIES[name]()[0].plan)
    composition = canvas.plan.composition
    drawn = {k: bundle for bundle in canvas.bundles for k in bundle.chains}
    assert sorted(drawn) == list(range(len(composition)))
    assert sum(bundle.capacity for bundle in canvas.bundles) == composition.total_capacity
    for k, bundle in drawn.items():
        chain = composition.chain(k)
        ends = np.cumsum([0, *chain.blocks])
        assert [(stretch.first, stretch.end) for stretch in bundle.stretches] == [*pairwise(ends)]
        rows = [canvas.rows[stretch.row].servers for stretch in bundle.stretches]
        assert all(j in row for j, row in zip(chain.servers, rows, strict=True))


def test_lines_begin_and_end_with_the_blocks(shown):
    _, _, page = shown
    for path in page.findall(".//g[@class='chain']/path"):
        xs = [float(x) for x in re.findall(r"([\d.]+) [\d.]+", path.get("d"))]
        assert (xs[0], xs[-1]) == (LEFT, LEFT + BLOCKS)
        assert xs == sorted(xs)


def test_equal_servers_share_a_row_and_none_is_lost():
    canvas = canvas_of(datacentre()[1])
    placement = canvas.plan.composition.placement
    shared = [row for row in canvas.rows if len(row.servers) > 1]
    assert shared
    for row in shared:
        assert len({(placement.first_block[j], placement.end_block[j]) for j in row.servers}) == 1
        assert f"and {len(row.servers) - 1} more" in row.label
    assert sum(len(row.servers) for row in canvas.rows) + canvas.left_out == (placement.block_count > 0).sum()


def test_bars_span_the_range_and_unknown_values_end_at_the_worst():
    result, best = lab()
    goal = best.goal_value
    ranges = (InputRange("wide", 0.3, 0.5 * goal, 2.5 * goal), InputRange("open", 0.3, 0.75 * goal, None))
    page = Page(plan_page(replace(result, ranges=ranges), "lab", best)).root
    styles = [bar.find(".//i").get("style") for bar in page.findall(".//div[@class='bar']")]
    assert styles == ["left: 0.00%; width: 100.00%", "left: 12.50%; width: 87.50%"]
    assert page.find(".//figure").get("style") == "--goal: 25.00"
    texts = [words(bar.findall("span")[-1]) for bar in page.findall(".//div[@class='bar']")]
    assert texts[1] == f"{digits(0.75 * goal, 's')} to unstable"
