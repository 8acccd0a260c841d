"""Entries of listed servers: numbers that replace a profile's, and memory in GB, GiB and MiB."""

from dataclasses import replace

import numpy as np
import pytest

from hardware_profiles.listed.gpus import profiles_in, reserve_gb
from hardware_profiles.listed.machines import LIST_KEYS, machines_of
from hardware_profiles.profile import FOLDER, GpuProfile
from system import InputError, ServedModel
from system.documents.entries import Entry

MODEL = ServedModel("m", 40, 0.5, 0.02, 2048, 1.2, 0.5, hidden_size=8192)
MEASURED = GpuProfile(
    "mine", "measured", "here", 24, 70, 900, 0.001,
    measured_block_s={"m": [0.001, 0.0001, 0.002]}, hosting={"m": {"free_memory_gb": 10, "most_blocks": 12}},
)  # fmt: skip


def machines(*servers, profiles=None):
    """Return the machines of a list of servers."""
    entries = [{"name": f"s{n}", "rtt_ms": 1, **server} for n, server in enumerate(servers)]
    top = Entry.of("", {"servers": entries}, LIST_KEYS)
    return machines_of(top, MODEL, profiles or profiles_in(FOLDER), (0.0, 0.0))


def mine(name):
    """Return the measured profile under any name."""
    return replace(MEASURED, name=name)


def test_numbers_beside_gpu_replace_those_of_the_profile():
    listed = machines(
        {"gpu": "rtx_3080", "memory_gb": 12},
        {"gpu": "rtx_3080", "bandwidth_gb_per_s": 912, "prefill_tflops": 61.3, "overhead_ms": 2},
        {"gpu": "rtx_3080"},
    )
    servers = listed.servers
    np.testing.assert_allclose(servers.memory_gb + reserve_gb(MODEL), [12, 10, 10])
    np.testing.assert_allclose(servers.block_s[0], servers.block_s[2])
    np.testing.assert_allclose(servers.block_s[1], [0.002, 1.2 / 61300, 0.5 / 912])
    assert listed.gpus == ("rtx_3080",) * 3
    assert listed.notes == (
        "server s0: memory_gb = 12 instead of the 10 of rtx_3080",
        "server s1: prefill_tflops = 61.3 instead of the 59.5, bandwidth_gb_per_s = 912 instead of the 760 and "
        "overhead_s = 0.002 instead of the 0.001 of rtx_3080",
    )


def test_measured_times_and_hosting_are_left_out_where_they_no_longer_apply():
    listed = machines(
        {"gpu": "mine"},
        {"gpu": "mine", "memory_gb": 48},
        {"gpu": "mine", "bandwidth_gb_per_s": 450},
        profiles=mine,
    )
    np.testing.assert_allclose(listed.servers.block_s[:, 2], [0.002, 0.002, 0.5 / 450])
    np.testing.assert_allclose(listed.servers.memory_gb, [10, 48 - reserve_gb(MODEL), 10])
    assert listed.servers.most_blocks.tolist() == [12, 40, 12]
    notes = " ".join(listed.notes)
    assert "server s1: what mine states of hosting holds for another memory, and is not used" in notes
    assert "server s2: the times that mine measured are those of other numbers, and are not used" in notes
    assert "server s1: the times" not in notes


@pytest.mark.parametrize(
    ("server", "free_gb"),
    [
        ({"gpu": "rtx_3090", "free_memory_gb": 25.7}, 25.7),
        ({"gpu": "rtx_3090", "free_memory_mib": 24564}, 24564 * 1024 * 1024 / 1e9),
        ({"gpu": "rtx_3090", "free_memory_gib": 23}, 23 * 1.073741824),
        ({"gpu": "rtx_3090", "memory_gib": 24}, 24 * 1.073741824 - reserve_gb(MODEL)),
        ({"gpu": "rtx_3090"}, 24 - reserve_gb(MODEL)),
        ({"memory_mib": 24576, "prefill_tflops": 71, "bandwidth_gb_per_s": 936}, 25.769803776 - reserve_gb(MODEL)),
        ({"gpu": "m3_max"}, 0.75 * 128 - reserve_gb(MODEL)),
        ({"gpu": "m3_max", "memory_gb": 64}, 0.75 * 64 - reserve_gb(MODEL)),
        ({"gpu": "m3_max", "free_memory_gb": 120}, 120),
    ],
)
def test_memory_may_be_given_in_gb_gib_and_mib(server, free_gb):
    assert machines(server).servers.memory_gb[0] == pytest.approx(free_gb)


def test_a_plan_says_what_it_assumes_of_memory():
    notes = machines({"gpu": "m1_max"}).notes
    assert notes[0] == "m1_max comes with 32 and 64 GB; 64 GB are planned with unless memory_gb is given"
    assert notes[1].startswith("75% of the memory of m1_max is taken as open to its GPU")
    assert len(machines({"gpu": "m1_max", "memory_gb": 32}).notes) == 2
    assert machines({"gpu": "m1_max", "free_memory_gb": 20}).notes == ()


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (
            {"gpu": "rtx_3090", "free_memory_gb": 25.8},
            "free_memory_gb of server s0 = 25.8: is more than the 24 GB of its",
        ),
        ({"gpu": "rtx_3090", "free_memory_mib": 24600}, "free_memory_mib of server s0 = 24600: is more than the 24 GB"),
        ({"gpu": "rtx_3090", "memory_gib": 24, "free_memory_gb": 26}, r"= 26: is more than .* \(at most 25.77 GB"),
        (
            {"gpu": "rtx_3090", "free_memory_gb": 20, "free_memory_gib": 20},
            "free_memory_gb and free_memory_gib of server",
        ),
        (
            {"gpu": "rtx_3090", "memory_gb": 24, "memory_mib": 24576},
            "memory_gb and memory_mib of server s0 = given: give",
        ),
        ({"gpu": "rtx_3090", "memory_gb": 24576}, "server s0: memory_gb = 24576: .*is it in MB. Give 24"),
        (
            {"gpu": "rtx_3090", "bandwidth_gb_per_s": 0},
            "bandwidth_gb_per_s of server s0 = 0: must be a finite number above",
        ),
        (
            {"memory_gib": 24, "prefill_tflops": 71},
            "bandwidth_gb_per_s of server s0 is missing: give its memory bandwidth",
        ),
    ],
)
def test_errors_name_the_key_and_the_remedy(server, message):
    with pytest.raises(InputError, match=message):
        machines(server)


def test_servers_with_no_round_trip_are_probably_one_machine():
    notes = machines({"name": "dgx", "count": 8, "gpu": "a100_40gb", "rtt_ms": 0}).notes
    assert len(notes) == 1
    assert "server dgx: 8 servers with a round trip of 0 ms" in notes[0]
    assert notes[0].endswith("its GPUs are gpus: [8 x a100_40gb]")
    assert machines({"count": 8, "gpu": "a100_40gb", "rtt_ms": 1}).notes == ()
