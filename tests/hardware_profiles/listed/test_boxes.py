"""Machines with several devices: GPUs that split layers or share blocks, and RAM beside them."""

import itertools

import numpy as np
import pytest
from hydra.utils import instantiate

from hardware_profiles.listed.boxes import gpu_names
from hardware_profiles.listed.cluster import ListedCluster, listed_profiles
from hardware_profiles.listed.devices import Device, device_blocks, hosted_block_s, jobs_beside, mean_block_s
from hardware_profiles.listed.gpus import profiles_in, reserve_gb
from hardware_profiles.listed.machines import LIST_KEYS, machines_of
from hardware_profiles.profile import FOLDER
from planner.inventory.efficiency import efficiency_of
from planner.inventory.reading import inventory_of
from system import InputError, RandomStreams, ServedModel
from system.documents.entries import Entry

MODEL = ServedModel("m", 60, 0.5, 0.02, 2048, 1.2, 0.5, hidden_size=8192)


def machines(*servers, model=MODEL, **options):
    """Return the machines of a list of servers."""
    top = Entry.of("", {"servers": [{"name": "box", "rtt_ms": 1} | server for server in servers]}, LIST_KEYS)
    return machines_of(top, model, profiles_in(FOLDER), (0.0, 0.0), **options)


def one(**server):
    """Return the machines of one server."""
    return machines(server)


def test_a_machine_with_several_gpus_is_one_server_without_hops():
    listed = one(gpus=["rtx_3060", "rtx_3090", "rtx_3060"])
    alone = {name: one(gpu=name).servers for name in ("rtx_3060", "rtx_3090")}
    servers = listed.servers
    assert len(servers) == 1
    assert listed.gpus == ("rtx_3090 + 2 x rtx_3060",)
    np.testing.assert_allclose(servers.communication_s, alone["rtx_3090"].communication_s)
    assert servers.memory_gb[0] == pytest.approx(24 + 12 + 12 - 3 * reserve_gb(MODEL))
    assert [device.name for device in listed.devices[0]] == ["rtx_3090", "rtx_3060", "rtx_3060"]
    # By hand: the first holds floor(22.77 / .52) = 43 blocks, and the other 17 of the model's 60 lie on the others.
    blocks = {name: alone[name].block_s[0] for name in alone}
    np.testing.assert_allclose(servers.block_s[0], (43 * blocks["rtx_3090"] + 17 * blocks["rtx_3060"]) / 60)
    assert device_blocks(listed.devices[0], 60, MODEL) == (43, 9, 8)


FORMS = (
    ["rtx_3090", "rtx_3090", "rtx_3060"],
    ["2 x rtx_3090", "rtx_3060"],
    ["2x3090", "RTX 3060"],
    {"rtx_3090": 2, "rtx_3060": 1},
    [{"gpu": "rtx_3090", "count": 2}, {"gpu": "3060"}],
    [{"rtx_3090": 2}, "rtx_3060"],
)


@pytest.mark.parametrize("gpus", FORMS)
def test_lists_of_gpus_may_be_written_in_any_natural_form(gpus):
    expected = one(gpus=list(FORMS[0]))
    listed = one(gpus=gpus)
    assert listed.devices == expected.devices
    np.testing.assert_array_equal(listed.servers.block_s, expected.servers.block_s)
    assert len(gpu_names({"gpus": gpus})) in (2, 3)


def test_names_with_an_x_are_no_counts():
    assert one(gpus=["7900 XTX", "7900xt"]).gpus == ("rx_7900_xtx + rx_7900_xt",)
    assert one(gpus="2 x 7900xtx").gpus == ("2 x rx_7900_xtx",)


def brute_force(devices, blocks, jobs):
    """Return the split of blocks that fills the first devices most."""
    room = [int(device.memory_gb / (0.5 + 0.02 * jobs) + 1e-9) for device in devices]
    splits = (split for split in itertools.product(*(range(n + 1) for n in room)) if sum(split) == blocks)
    return max(splits, default=None)


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("blocks", [0, 1, 7, 11, 15])
def test_blocks_fill_devices_in_their_order(blocks, jobs):
    devices = tuple(Device(f"d{n}", size, "gpu") for n, size in enumerate((4.0, 2.5, 3.4)))
    assert device_blocks(devices, blocks, MODEL, jobs) == brute_force(devices, blocks, jobs)


def test_equal_devices_share_evenly_and_fewer_caches_make_room():
    same = tuple(Device("a", 10.0, "gpu") for _ in range(4))
    assert device_blocks(same, 10, MODEL) == (3, 3, 2, 2)
    assert device_blocks((), 10, MODEL) == ()
    jobs = jobs_beside(same, 60, MODEL)
    assert 4 * int(10 / (0.5 + 0.02 * jobs)) >= 60 > 4 * int(10 / (0.5 + 0.02 * (jobs + 1)))
    assert device_blocks(same, 60, MODEL, jobs=1000) == (15, 15, 15, 15)


def test_a_server_hosts_no_more_blocks_than_its_devices_hold_whole():
    """Check that 3 GPUs with 1.9 blocks each hold 3, not 5."""
    large = ServedModel("m", 60, 5.0, 0.5, 2048, 12, 5.0, hidden_size=8192)
    size = reserve_gb(large) + 1.9 * 5.5
    servers = machines({"gpus": [{"gpu": "rtx_3060", "memory_gb": size, "count": 3}]}, model=large).servers
    assert servers.most_blocks.tolist() == [3]
    assert int(servers.memory_gb[0] / 5.5) == 5


@pytest.mark.parametrize(
    ("count", "value", "share"),
    [
        (4, True, 76.9 / (4 * 40)),
        (2, "pcie", (1 + 0.48) / 2),
        (4, "nvswitch", 4.2 / 1.2 * 1288 / 1357 / 4),
        (8, "nvswitch", 8.7 / 1.2 * 1288 / 1508 / 8),
        (16, 0.7, 0.7),
    ],
)
def test_gpus_that_share_each_block_divide_its_time(count, value, share):
    """Compare with published tokens/s, and with published times of growing work."""
    alone, box = one(gpu="a100_40gb"), one(gpus=f"{count} x a100_40gb", tensor_parallel=value)
    once_s, input_s, output_s = alone.servers.block_s[0]
    expected = [once_s, input_s / (count * share), output_s / (count * share)]
    np.testing.assert_allclose(box.servers.block_s[0], expected, rtol=0.06)
    assert box.servers.memory_gb[0] == pytest.approx(count * alone.servers.memory_gb[0])
    assert len(box.devices[0]) == 1
    assert f"whose time is that of one GPU / {count} / 0." in box.notes[0]


def test_ram_is_filled_last_and_read_at_its_own_speed():
    listed = one(gpu="rtx_4070", ram_gb=32, ram="ddr5")
    gpu, ram = listed.devices[0]
    assert (gpu.kind, ram.kind, ram.memory_gb) == ("gpu", "ram", 32)
    assert ram.block_s[2] == pytest.approx(0.5 / 80)
    assert ram.block_s[0] == pytest.approx(gpu.block_s[0] + 0.5 / 25)
    assert ram.block_s[1] == pytest.approx(gpu.block_s[1] + 0.5 / 25 / 512)
    on_gpu = int(gpu.memory_gb / 0.52)
    assert device_blocks(listed.devices[0], 60, MODEL) == (on_gpu, 60 - on_gpu)
    mean_s = (on_gpu * gpu.block_s[2] + (60 - on_gpu) * 0.5 / 80) / 60
    assert listed.servers.block_s[0, 2] == pytest.approx(mean_s)
    assert mean_block_s(listed.devices[0], on_gpu, MODEL) == pytest.approx(gpu.block_s)
    assert any("read at 80 GB/s (ddr5 RAM)" in note for note in listed.notes)
    own = one(gpu="rtx_4070", ram_gb=32, ram_bandwidth_gb_per_s=40).devices[0][1]
    assert own.block_s[2] == pytest.approx(0.5 / 40)


def test_shares_of_peak_numbers_count_for_each_device():
    halved = {"rtx_3090": (1.0, 0.5), "rtx_3060": (1.0, 1.0), "ddr4 RAM": (1.0, 0.8)}
    entry = {"gpus": ["rtx_3090", "rtx_3060"], "ram_gb": 20, "ram": "ddr4"}
    fast, slow, ram = machines(entry, shares=lambda gpu, _: halved[gpu.name]).devices[0]
    assert fast.block_s[2] == pytest.approx(0.5 / (936 * 0.5))
    assert slow.block_s[2] == pytest.approx(0.5 / 360)
    assert ram.block_s[2] == pytest.approx(0.5 / (45 * 0.8))


def test_times_follow_the_blocks_that_a_plan_hosts():
    listed = machines({"gpus": ["rtx_3090", "rtx_3060"]}, {"name": "b", "gpu": "t4"})
    fast, slow = listed.devices[0]
    times_s = hosted_block_s(listed.servers, listed.devices, [46, 7], MODEL)
    on_fast = int(fast.memory_gb / 0.52)
    expected = (on_fast * fast.block_s[2] + (46 - on_fast) * slow.block_s[2]) / 46
    np.testing.assert_allclose(times_s[:, 2], [expected, listed.servers.block_s[1, 2]])
    assert hosted_block_s(listed.servers, listed.devices, [on_fast, 0], MODEL)[0] == pytest.approx(fast.block_s)
    assert times_s[0, 2] < listed.servers.block_s[0, 2]


def test_costs_and_powers_of_gpus_add_up():
    servers = one(gpus=["rtx_3090", "2 x rtx_3060"], cost_per_hour=3).servers
    assert servers.busy_w[0] == 350 + 2 * 170
    assert np.isnan(servers.idle_w[0])
    assert servers.cost_per_hour[0] == 3
    assert servers.gpu_tflops[0] == pytest.approx(71 + 2 * 25.5)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"gpus": []}, r"gpus of server box = \[\]: must be a list of GPUs"),
        ({"gpus": None}, "gpus of server box is missing: give a list of GPUs"),
        ({"gpus": ["rtx_3095"]}, "gpu of GPU 1 of server box: .*did you mean rtx_3090"),
        ({"gpus": ["rtx_3090"], "gpu": "t4"}, "gpu beside gpus of server box = t4: give one of the two"),
        (
            {"gpus": ["rtx_3090"], "free_memory_gb": 20},
            "free_memory_gb beside gpus of server box = 20: give it for a GPU",
        ),
        ({"gpus": ["0 x rtx_3090"]}, "count of GPU 1 of server box = 0: must be a whole number of at least 1"),
        ({"gpus": ["5000 x rtx_3090"]}, "count of GPU 1 of server box = 5000: must be at most 1,000"),
        ({"gpus": ["900 x rtx_3090", "900 x t4"]}, "number of gpus of server box = 1800: must be at most 1,000"),
        ({"gpus": [{"gpu": "t4", "rtt_ms": 3}]}, "key of GPU 1 of server box = rtt_ms: unknown"),
        ({"gpus": ["t4", "l4"], "tensor_parallel": True}, "tensor_parallel of server box = True: needs equal GPUs"),
        ({"gpus": ["16 x t4"], "tensor_parallel": "nvswitch"}, "= nvswitch for 16 GPUs: needs 2 to 8 GPUs"),
        ({"gpus": ["8 x t4"], "tensor_parallel": True}, "= true for 8 GPUs: needs 2 to 4 GPUs"),
        ({"gpus": ["t4"], "tensor_parallel": True}, "= true for 1 GPUs: needs 2 to 4 GPUs"),
        ({"gpu": "t4", "tensor_parallel": True}, "tensor_parallel of server box = True: needs gpus"),
        ({"gpus": ["2 x t4"], "tensor_parallel": 2}, "tensor_parallel of server box = 2: must be true, false, pcie, "),
        ({"gpus": ["2 x t4"], "tensor_parallel": [2]}, r"tensor_parallel of server box = \[2\]: must be true, false"),
        ({"gpu": "t4", "ram": "ddr5"}, "ram_gb of server box is missing: give the GB of its memory"),
        (
            {"gpu": "t4", "ram_gb": 64},
            "ram_bandwidth_gb_per_s of server box is missing: give the GB/s of its",
        ),
        ({"gpu": "m3_max", "ram_gb": 64, "ram": "ddr5"}, "ram_gb of server box = 64: the memory of m3_max is all that"),
        (
            {"ram_gb": 64, "ram": "ddr5"},
            "gpu of server box is missing: RAM is beside a GPU; for a machine without one give",
        ),
        ({"gpu": "t4", "ram_gb": 65536, "ram": "ddr5"}, "ram_gb of server box = 65536: .*is it in MB. Give 64"),
        ({"gpu": "t4", "ram_gb": 64, "ram": "ddr9"}, "ram of server box = ddr9: unknown; did you mean ddr5 or ddr4"),
        ({"gpu": "t4", "ram": "64gb"}, "ram of server box = 64gb: is the kind, ddr4 or ddr5; its GB are ram_gb"),
        ({"gpu": "t4", "ram": 64}, "ram of server box = 64: is the kind"),
        ({"gpu": "t4", "ram_gb": -1, "ram": "ddr5"}, "ram_gb of server box = -1: must be a finite number above 0"),
        ({"gpu": "t4", "ram_gb": 64, "ram": "ddr5", "ram_bandwidth_gb_per_s": 50}, "ram sets it already; give one"),
    ],
)
def test_errors_name_the_key_and_the_remedy(server, message):
    with pytest.raises(InputError, match=message):
        one(**server)


def test_experiments_read_the_same_machines():
    listed = [{"name": "box", "gpus": ["RTX 3090", "2 x rtx_3060"], "rtt_ms": 1, "ram_gb": 8, "ram": "ddr4"}]
    profiles = instantiate(listed_profiles(listed), _convert_="all")
    cluster = ListedCluster(servers=listed, profiles=profiles, prefill_overhead_s=0.0, token_overhead_s=0.0)
    servers, expected = cluster.draw(MODEL, RandomStreams(1)), machines(listed[0]).servers
    for field in ("memory_gb", "block_s", "most_blocks"):
        np.testing.assert_array_equal(getattr(servers, field), getattr(expected, field))


def test_an_inventory_keeps_the_devices_of_its_servers():
    content = {
        "model": {"preset": "llama3_70b"},
        "cache_tokens": 8192,
        "servers": [{"name": "dgx", "gpus": ["8 x a100_40gb"], "rtt_ms": 0}, {"name": "b", "gpu": "t4", "rtt_ms": 1}],
        "workload": {"rate_per_s": 0.5, "input_tokens": 800, "output_tokens": 200},
    }
    inventory = inventory_of(content, FOLDER)
    assert len(inventory.servers) == 2
    assert [len(devices) for devices in inventory.devices] == [8, 0]
    assert any("80 on 8 x a100_40gb" in line for line in inventory.derivation)
    assert inventory.only(np.array([1])).devices == ((),)
    # 80 blocks at 1.71 GB / 1,555 GB/s take 88 ms at the peak; a message in the same machine takes nothing.
    share = efficiency_of().shares(profiles_in(FOLDER)("a100_40gb"), inventory.model)[1]
    token_s = inventory.servers.communication_s[0, 2] + 80 * inventory.servers.block_s[0, 2]
    assert token_s == pytest.approx(80 * 1.711 / 1555 / share, rel=0.001)
