"""`python -m serving http`: a layout file becomes an address, and Ctrl-C leaves no process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

pytest.importorskip("torch")
pytest.importorskip("aiohttp")

from serving.blocks.reference import generate
from serving.http.command import main
from serving.http.layout import deployment_of, dispatch_named
from serving.server.model import block_of, embedding_and_head_of
from serving.settings import RunSettings
from system import InputError
from system.composition import Composition
from tests.support import small_run
from tests.support.pages import blocks
from tests.support.project import ROOT, case_of

PAGE = "docs/http.md"
LAYOUT = next(block.text for block in blocks(PAGE) if block.file == "tiny.yaml")


@pytest.fixture
def layout(tmp_path):
    """Return a layout file with one chain."""
    path = tmp_path / "layout.yaml"
    path.write_text(LAYOUT)
    return path


@contextmanager
def front(*words):
    """Start the command in a session; yield its process and address."""
    command = [sys.executable, "-m", "serving", "http", *map(str, words), "--port", "0"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, cwd=ROOT, **options)
    try:
        line = process.stdout.readline()
        assert line.startswith("serving tiny_llama at http://127.0.0.1:"), (line, process.communicate())
        yield process, line.split()[3]
    finally:
        process.kill()
        process.communicate()


def session_of(process):
    """Return the running processes in the session of a process."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == process.pid and state != "Z":
            members.append(int(stat.parent.name))
    return members


def opened(address, **fields):
    """Return the open answer to a completion."""
    request = urllib.request.Request(f"{address}/completions", json.dumps(fields).encode())
    return urllib.request.urlopen(request, timeout=60)


def whole_model_tokens(layout, prompt, count):
    """Return the tokens of a layout's whole model in this process."""
    deployment = deployment_of(layout, "jffc")
    spec = next(iter(RunSettings(dtype=deployment.dtype).specs(deployment.composition, deployment.service).values()))
    blocks = [block_of(spec, b) for b in range(spec.decoder.block_count)]
    return generate(spec.decoder, blocks, embedding_and_head_of(spec), list(prompt), count)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_layout_file_is_served_until_a_signal_ends_the_front_and_its_servers(layout, number):
    """Check the tokens of one answer, and the end in the middle of another."""
    with front(layout) as (process, address):
        with opened(address, prompt="Hello", max_tokens=8, return_token_ids=True) as response:
            assert json.load(response)["choices"][0]["token_ids"] == whole_model_tokens(layout, b"Hello", 8)
        with opened(address, prompt="Hello", max_tokens=55, stream=True) as response:
            assert response.readline().startswith(b"data: ")
            assert len(session_of(process)) == 3
            os.kill(process.pid, number)
            assert process.wait(30) == 128 + number
        assert process.stderr.read() == "stopped\n"
        deadline_s = time.monotonic() + 10
        while session_of(process) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert session_of(process) == []


def test_gca_forms_the_chains_that_a_file_leaves_open(tmp_path):
    path = tmp_path / "swarm.yaml"
    without_chains = re.sub(r"^chains:.*\n(  -.*\n)+", "", LAYOUT, flags=re.MULTILINE)
    path.write_text(without_chains)
    deployment = deployment_of(path, "jsq")
    assert len(deployment.composition) == 1
    assert deployment.composition.capacity[0] > 4  # all that the memory allows
    assert isinstance(deployment.composition, Composition)
    assert [chain.servers for chain in deployment.composition.chains] == [(0, 1)]
    assert deployment.composition.rule is dispatch_named("jsq")
    assert deployment.dtype == "float32"
    path.write_text(LAYOUT.replace("weights: float32, ", ""))
    assert deployment_of(path, "least_work").dtype == "bfloat16"


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "conf/dispatch").glob("*.yaml")))
def test_every_policy_of_the_configuration_is_that_of_a_sweep(name):
    policy, swept = dispatch_named(name), instantiate(case_of(f"dispatch={name}")["algorithm"]["dispatch"])
    chains = small_run.composition(2)
    assert (policy.policy, policy.looks, policy.work_conserving) == (swept.policy, swept.looks, swept.work_conserving)
    np.testing.assert_array_equal(policy.settings_for(chains), swept.settings_for(chains))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere.yaml",), "nowhere.yaml"),
        (("LAYOUT", "--dispatch", "jfcf"), "dispatch = jfcf"),
        (("LAYOUT", "--port", "70000"), "port = 70000: must be from 0"),
        (("LAYOUT", "--most", "0"), "most = 0"),
        (("LAYOUT", "--weights", "nowhere"), "nowhere"),
        (("LAYOUT", "--engine", "local", "--host", "203.0.113.7"), "port = 8000: cannot listen on 203.0.113.7"),
        (("LAYOUT", "--engine", "carrier"), "engine"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(layout, words, sentence):
    with pytest.raises(InputError, match=sentence):
        main([str(layout) if word == "LAYOUT" else word for word in words])


def test_quantised_weights_are_refused(tmp_path):
    path = tmp_path / "layout.yaml"
    path.write_text(LAYOUT.replace("weights: float32", "weights: nf4"))
    with pytest.raises(InputError, match="weights of model = nf4: are not served here"):
        deployment_of(path, "jffc")
