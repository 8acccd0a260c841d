"""Servers that Ray places on its nodes: they serve as others do and end afterwards; errors are one sentence."""

import socket
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from system import InputError
from tests.launchers.ray_head import ray_environment, ray_head
from tests.support.project import NEEDS_RUNTIME

pytest.importorskip("torch", reason=NEEDS_RUNTIME)
pytest.importorskip("zmq", reason=NEEDS_RUNTIME)
from serving.launch import fleet
from tests.support import small_run

pytestmark = pytest.mark.launchers


@pytest.fixture(scope="module", autouse=True)
def ray_files():
    """Set the environment of this process, from which Ray reads its settings."""
    with ray_environment() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture(params=["own", "cluster"])
def addresses(request, ray_files):
    if request.param == "own":
        yield ()
        return
    with ray_head(ray_files) as address:
        yield (address,)


def test_jobs_are_served_on_servers_that_ray_places(addresses):
    specs, requests = small_run.specs()[:2], small_run.requests(5, 6)
    with small_run.started("ray", specs, addresses) as servers:
        orchestrator = small_run.orchestrator(servers.connections)
        records = orchestrator.run(np.zeros(5), requests, lambda: None)
        stats = orchestrator.stats()
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(request) for request in requests]
    assert [stats[j]["free_slots"] for j in (0, 1)] == [spec.cache_slot_count for spec in specs]


def test_a_server_that_cannot_serve_says_why():
    spec = replace(small_run.specs()[0], weights="nowhere/at_all")
    with pytest.raises(InputError, match="nowhere/at_all"), small_run.started("ray", [spec]):
        raise AssertionError


def test_a_cluster_without_room_is_one_sentence(ray_files, monkeypatch):
    monkeypatch.setattr("serving.launch.ray_servers.PLACING_S", 3.0)
    specs = [replace(spec, threads=2) for spec in small_run.specs()]
    with ray_head(ray_files) as address, pytest.raises(InputError, match="no room for 3 servers in 3 s"):
        fleet.ray(specs, (address,))


def test_an_address_at_which_no_ray_answers():
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=rf"addresses = \[{address}\]: no Ray answers there"):
        fleet.ray(small_run.specs(), (address,))
