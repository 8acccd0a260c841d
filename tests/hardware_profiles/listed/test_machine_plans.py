"""Plans for machines with several devices: what they host, and on which device."""

import re

import pytest

from hardware_profiles.listed.devices import device_blocks
from planner.choice.search import plan
from planner.inventory.reading import inventory_of
from planner.output.devices import device_lines, device_rows
from tests.support.project import ROOT

WORKLOAD = {"rate_per_s": 0.02, "input_tokens": 500, "output_tokens": 200}


def inventory(*servers, **model):
    """Return an inventory of llama3_70b on some servers."""
    content = {"model": {"preset": "llama3_70b", **model}, "cache_tokens": 4096, "servers": list(servers)}
    return inventory_of(content | {"workload": WORKLOAD}, ROOT)


@pytest.fixture(scope="module")
def lab():
    """Return a plan for two machines that hold the model, and one that cannot."""
    tower = {"name": "tower", "gpus": ["rtx_3090", "2 x rtx_3060"], "rtt_ms": 0.3}
    desk = {"name": "desk", "gpu": "rtx_4070_ti", "ram_gb": 48, "ram": "ddr5", "rtt_ms": 0.5}
    return plan(inventory(tower, desk, {"name": "old", "gpu": "t4", "rtt_ms": 0.5}, weights="nf4"))


def test_a_plan_says_which_blocks_lie_on_which_device(lab):
    """Check that ranges cover each server's blocks and fit devices up to a block."""
    model, placement, used = lab.inventory.model, lab.composition.placement, lab.composition.slots_used()
    for n, j in enumerate(lab.members.tolist()):
        rows, devices = device_rows(lab, n), lab.inventory.devices[j]
        assert [row["device"] for row in rows] == [device.name for device in devices]
        if not rows:
            continue
        ends = [row["end_block"] for row in rows]
        assert [row["first_block"] for row in rows] == [int(placement.first_block[n]), *ends[:-1]]
        assert ends[-1] == placement.end_block[n]
        jobs = used[n] / max(1, placement.block_count[n])
        for row, device in zip(rows, devices, strict=True):
            blocks = row["end_block"] - row["first_block"]
            fits = blocks * (model.block_memory_gb + jobs * model.cache_memory_gb)
            assert fits <= device.memory_gb + model.block_memory_gb
    lines = list(device_lines(lab))
    assert len(lines) == 2
    assert lines[0].startswith("inside tower: rtx_3090 0:")


def test_a_plan_with_one_machine_of_eight_gpus_is_one_chain_without_hops():
    best = plan(inventory({"name": "dgx", "gpus": ["8 x a100_40gb"], "rtt_ms": 0}))
    assert len(best.composition) == 1
    assert best.composition.chain(0).servers == (0,)
    # 80 blocks of 1.71 GB at 1,555 GB/s, for 199 further tokens, and no message in the orchestrator's machine
    reached = re.search(r"decoding reaches (\d+)% \(a100_40gb\)", " ".join(best.inventory.derivation))
    token_s = 80 * 1.711 / 1555 / (int(reached[1]) / 100)
    assert best.composition.mean_service_s[0] == pytest.approx(199 * token_s, rel=0.03)
    assert device_blocks(best.inventory.devices[0], 80, best.inventory.model) == (10,) * 8


def test_a_variant_of_a_gpu_has_its_own_memory():
    """Check seven cards of 24 GB and a smaller one."""
    read = inventory(
        {"name": "a", "count": 7, "gpu": "rtx_3090", "rtt_ms": 0.1},
        {"name": "small", "gpu": "rtx_3080", "memory_gb": 12, "rtt_ms": 0.1},
    )
    assert read.servers.memory_gb[7] == pytest.approx(read.servers.memory_gb[0] - 12)
    assert "server small: memory_gb = 12 instead of the 10 of rtx_3080" in read.derivation
