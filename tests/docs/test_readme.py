"""The README cannot lie: its commands and its Python are run, its example is added to a copy of the project."""

import json
import re
import shutil

import pytest
import yaml

from tests.support.project import ROOT, command, needs_runtime

README = (ROOT / "README.md").read_text()
LEFT_OUT = ("outputs", ".git", ".venv", "*.egg-info", ".*_cache", ".hypothesis")
BEING_WRITTEN = ("*.tmp.*", "*.pyc.*")  # by compilers in the other tests' processes; gone before they are copied
IGNORED = shutil.ignore_patterns(*LEFT_OUT, *BEING_WRITTEN)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """Every `python ...` line, without its comment."""
    everywhere = [block for block in blocks("sh") if "hydra/launcher=" not in block]  # those: tests/launchers
    lines = [line.split("  #")[0].strip() for block in everywhere for line in block.splitlines()]
    return [line for line in lines if line.startswith("python ")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with the README's algorithm, service model and inventory added as the README says."""
    project = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, project, ignore=IGNORED)
    (project / "algorithms/equal_split.py").write_text(next(b for b in blocks("python") if "class EqualSplit" in b))
    (project / "conf/algorithm/equal_split.yaml").write_text(next(b for b in blocks("yaml") if "EqualSplit" in b))
    model = next(b for b in blocks("python") if "class Dragging" in b)
    (project / "system/service/dragging.py").write_text(model)
    target = "# Steps that take half as long again.\n_target_: system.service.dragging.Dragging\n"
    (project / "conf/service/dragging.yaml").write_text(target)
    dragging = next(b for b in blocks("python") if "class Dragging" in b)
    (project / "system/service/dragging.py").write_text(dragging)
    (project / "conf/service/dragging.yaml").write_text(next(b for b in blocks("yaml") if "dragging" in b))
    (project / "lab.yaml").write_text(next(b for b in blocks("yaml") if "servers:" in b))
    return project


@pytest.mark.parametrize("line", commands(), ids=commands())
def test_a_command_runs_as_it_stands(copy, line):
    """In the order of the README: some need what others left."""
    words = line.replace("precision=quick", "precision=quick draws=2").split()[1:]
    done = command(*words, cwd=copy)
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_the_commands_leave_what_the_readme_says(copy):
    assert len(commands()) == 21
    assert (copy / "outputs/figures/fig6a_embedded.png").is_file()
    assert (copy / "outputs/figures/fig8_embedded.png").is_file()
    assert (copy / "outputs/plan/lab/export_vllm.sh").is_file()


def test_the_python_runs_as_it_stands(copy):
    swept = command("run.py", "-m", "experiment=fig6a", "data=embedded", "draws=1", "tuning.capacity=2,7", cwd=copy)
    assert swept.returncode == 0, swept.stderr
    examples = [block for block in blocks("python") if not re.search("class EqualSplit|class Dragging", block)]
    assert len(examples) == 3
    for example in examples:
        done = command("-c", example, cwd=copy)
        assert done.returncode == 0, (example, done.stderr)
        assert done.stdout


COMPUTED = """
from sweep.instantiate import evaluate
from tests.support.project import case_of

words = ("network=european", "workload=drawn_lengths", "workload.job_count=200", "demand.per_s=0.02")
for service in ("steps", "dragging"):
    rows = evaluate(case_of(*words, f"service={service}"), range(1), range(1)).rows
    print(*(row.value for row in rows if row.metric == "compute_mean_s"))
"""


def test_the_service_model_takes_half_as_long_again(copy):
    done = command("-c", COMPUTED, cwd=copy)
    assert done.returncode == 0, done.stderr
    steps_s, dragging_s = map(float, done.stdout.split())
    assert dragging_s == pytest.approx(1.5 * steps_s)


# Two servers of a small model, so little asked of them that no request meets another.
ALONE = (
    *("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "workload.job_count=4"),
    *("demand.per_s=2", "draws=1", "evaluator.warm_up=0"),
)


def means_of(copy, *words):
    """What one point says of its metrics that have no coordinate."""
    done = command("run.py", *ALONE, *words, cwd=copy)
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in re.findall(r"^  (\w+) +([\d.e+-]+)", done.stdout, flags=re.MULTILINE)}


def test_the_service_model_is_simulated_as_it_says(copy):
    steps, dragging = (means_of(copy, f"service={name}")["compute_mean_s"] for name in ("steps", "dragging"))
    assert dragging == pytest.approx(1.5 * steps, rel=1e-5)


@needs_runtime
def test_the_service_model_sets_the_pace_of_real_servers(copy):
    """At so slow a pace that computing itself does not count."""
    words = ("service=dragging", "service.share=9")
    predicted_s = means_of(copy, *words)["compute_mean_s"]
    served = means_of(copy, "evaluator=runtime", "evaluator.engine=local", "evaluator.pace=true", *words)
    assert predicted_s * 0.999 <= served["compute_mean_s"] + served["held_mean_s"] <= predicted_s * 1.2


def test_the_service_model_is_planned_with(copy):
    """Requests of whole tokens, some of which are in service at once."""
    lines = [f"2024-01-01 00:00:{n / 4:09.6f}0,{40 + n % 30},{20 + n % 15}" for n in range(200)]
    (copy / "trace.csv").write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]) + "\n")
    means = {}
    for name in ("independent", "dragging"):
        asked = yaml.safe_load((copy / "lab.yaml").read_text()) | {"service": name, "goal": {"minimise": "mean"}}
        asked["workload"] = {"trace": "trace.csv", "rate_per_s": 0.1}
        (copy / f"{name}.yaml").write_text(yaml.safe_dump(asked))
        done = command("plan.py", f"{name}.yaml", "--no-picture", cwd=copy)
        assert done.returncode == 0, done.stderr
        means[name] = json.loads((copy / f"outputs/plan/{name}/plan.json").read_text())["plan"]["prediction"]["mean_s"]
    assert means["dragging"] > 1.2 * means["independent"]


def test_the_service_model_is_drawn_under_its_own_name(copy):
    words = ("experiment.name=real_vs_predicted_trace", "evaluator=replay", "service=independent,steps,dragging")
    swept = command("run.py", "-m", *ALONE, *words, "tuning.capacity=2,3", cwd=copy)
    assert swept.returncode == 0, swept.stderr
    drawn = command("plot.py", "real_vs_predicted_trace", cwd=copy)
    assert drawn.returncode == 0, drawn.stderr
    figure = (copy / "outputs/figures/real_vs_predicted_trace.svg").read_text()
    assert all(f">{label}<" in figure for label in ("equation (2)", "step queues", "dragging"))


def test_every_make_target_and_folder_that_it_names_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for folder in re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir()


def test_ci_runs_the_readmes_test_command_and_the_main_job():
    script = (ROOT / ".ci/run").read_text()
    assert "make test" in README
    assert "make test" in script
    assert "make reproduce" in script


@pytest.mark.parametrize("page", ["README.md", "results/README.md"])
def test_every_relative_link_and_image_is_there(page):
    text = (ROOT / page).read_text()
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)", text) if "://" not in target]
    missing = [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()]
    assert missing == []


def test_no_placeholder_is_left():
    assert re.findall(r"\b(?:TIME|TODO|TBD|FIXME|XXX|N\.N)\b", README) == []
