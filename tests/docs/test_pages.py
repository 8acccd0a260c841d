"""The documentation cannot lie: its commands and its Python are run, its files are added to a copy of the project."""

import re

import pytest
import yaml

from tests.support.pages import blocks, pages, run_block, runnable
from tests.support.project import ROOT, needs_runtime

# In the order in which a newcomer reads them. docs/adding.md and docs/study.md have tests of their own.
READ = ("README.md", *(f"docs/{name}.md" for name in ("getting_started", "reproducing", "sweeps", "tables")))
READ += tuple(f"docs/{name}.md" for name in ("statistics", "metrics", "figures", "clusters", "own_data", "paper"))
READ += tuple(
    f"docs/{name}.md"
    for name in ("real_runs", "planning", "planning_models", "library", "schemes", "model", "interference")
)
READ += tuple(f"docs/{name}.md" for name in ("optimality", "links", "published_systems", "helix", "exports"))
READ += tuple(f"docs/{name}.md" for name in ("endpoints", "petals", "engines", "http"))
READ += tuple(f"docs/planning_{name}.md" for name in ("links", "devices", "engines", "page", "accuracy"))
ELSEWHERE = {"run by: make validate": pytest.mark.slow, "run by: make launchers": pytest.mark.launchers}
TARGET = re.compile(r"^ *make (\w+)|`make (\w+)", flags=re.MULTILINE)


def cases():
    """Yield each block that is run, with the marks that say when."""
    for block in runnable(*READ):
        marker = f"{block.marker[1]}: {block.marker[2]}" if block.marker else None
        if marker is None or marker in ELSEWHERE:
            marks = [ELSEWHERE[marker]] if marker else []
            marks += [needs_runtime] if "tiny_llama" in block.text else []
            yield pytest.param(block, id=block.name, marks=marks)


@pytest.mark.parametrize("block", list(cases()))
def test_block_runs_as_it_stands(project, block):
    """Run the blocks in the order of their pages: some need what others left."""
    output = run_block(project, block)
    assert output or block.language == "sh"


def test_commands_leave_what_the_pages_say(project):
    assert (project / "outputs/figures/fig6a_embedded.svg").is_file()
    assert (project / "outputs/plan/lab/export_vllm.sh").is_file()
    assert (project / "outputs/plan/lab/export_llamacpp.sh").is_file()


@pytest.mark.slow
def test_longer_commands_leave_what_the_pages_say(project):
    for name in ("mine", "mine_bounds", "mine_exact", "mine_like_fig3b", "load_curves"):
        assert (project / f"outputs/figures/{name}.pdf").is_file(), name
    assert (project / "outputs/figures/fig8_load_embedded_own.png").is_file()
    assert ">Without the slowest<" in (project / "outputs/figures/fig8_load_embedded_own.svg").read_text()


def test_every_page_with_commands_is_run():
    with_commands = {block.page for block in runnable(*pages())}
    assert with_commands - {"docs/adding.md", "docs/study.md"} <= set(READ)
    assert {block.page for block in runnable(*READ)} == set(READ)
    assert sum(block.marker is None for block in runnable(*READ)) >= 20


def test_a_block_that_is_not_run_here_says_who_runs_it():
    """Check that blocks which `.ci/run` should run name only targets that it calls."""
    script = (ROOT / ".ci/run").read_text()
    for block in runnable(*pages()):
        if block.marker and block.marker[2].startswith(".ci/run"):
            for target in re.findall(r"^make (\w+)", block.text, flags=re.MULTILINE):
                assert re.search(rf"\bmake {target}\b", script), (block.name, target)
        elif not block.marker:
            assert "make " not in block.text, block.name


@pytest.mark.parametrize("page", [*pages(), "CONTRIBUTING.md", "results/README.md"])
def test_every_make_target_is_there(page):
    makefile = (ROOT / "Makefile").read_text()
    for target in filter(None, sum(TARGET.findall((ROOT / page).read_text()), ())):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_folder_of_the_readmes_table_is_there():
    rows = re.findall(r"^\| (`.+?`) \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    folders = [folder for row in rows for folder in re.findall(r"`(\w+)/`", row)]
    assert len(folders) >= 10
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_ci_runs_the_readmes_test_command_and_the_main_job():
    script = (ROOT / ".ci/run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("make test", "make reproduce"):
        assert command in readme
        assert command in script


@pytest.mark.parametrize("page", [*pages(), "CONTRIBUTING.md", "results/README.md"])
def test_every_relative_link_and_image_is_there(page):
    text = (ROOT / page).read_text()
    links = [target for target in re.findall(r"\]\(([^)\s]+)", text) if "://" not in target]
    files = [(ROOT / page).parent.joinpath(link.split("#")[0]) if link[0] != "#" else ROOT / page for link in links]
    assert [link for link, file in zip(links, files, strict=True) if not file.exists()] == []
    for link, file in zip(links, files, strict=True):
        if "#" in link:
            assert link.partition("#")[2] in anchors(file), link


def anchors(file):
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"^ *- (?:[\w ]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert written == {page for page in listed if not page.startswith("results/")}
    assert all((ROOT / page).is_file() for page in listed if page.startswith("results/"))


@pytest.mark.parametrize("page", pages())
def test_no_placeholder_is_left(page):
    assert re.findall(r"\b(?:TIME|TODO|TBD|FIXME|XXX|N\.N)\b", (ROOT / page).read_text()) == []


def test_blocks_of_a_page_are_found():
    """Check the reader of pages itself: languages, files and markers."""
    kinds = [(block.language, block.file) for block in blocks("README.md") if block.file]
    assert kinds == [
        ("python", "algorithms/without_slowest.py"),
        ("yaml", "conf/algorithm/without_slowest.yaml"),
    ]
    assert sum(block.marker is not None for block in blocks("README.md")) == 4
    assert [block.file for block in blocks("docs/planning.md") if block.file] == ["lab.yaml"]
    inventory = next(block for block in blocks("docs/planning.md") if block.file)
    assert yaml.safe_load(inventory.text)["cache_tokens"] == 4096


def test_the_proofs_are_cited_as_the_citation_file_says():
    software = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    page = (ROOT / "docs/proofs.md").read_text()
    entries = re.findall(r"@(\w+)\{(.*?)^\}", page, flags=re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in entries] == ["software", "article"]
    for (_, entry), cited in zip(entries, (software, software["preferred-citation"]), strict=True):
        fields = dict(re.findall(r"(\w+) += \{+(.*?)\}+,?$", entry, flags=re.MULTILINE))
        assert fields["title"] == cited["title"]
        assert fields.get("version") == cited.get("version")
