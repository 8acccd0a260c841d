"""Devices: their numbers against published ones, their names, and the table of docs/planning_devices.md."""

import re

import pytest

from hardware_profiles.listed.names import known_name
from hardware_profiles.profile import DEVICE_FAMILIES, FOLDER, GpuProfile, read_profile
from system import InputError
from tests.support.project import ROOT


def profile_of(name):
    return GpuProfile(**{key: value for key, value in read_profile(name).items() if key != "_target_"})


PROFILES = {path.stem: profile_of(path.stem) for path in FOLDER.glob("*.yaml")}
# FP32 TFLOP/s, bits of the memory bus and Gbit/s of a pin, as NVIDIA and AMD publish them for cards.
CARDS = {
    "rtx_3050": (9.1, 128, 14),
    "rtx_3060": (12.7, 192, 15),
    "rtx_3060_ti": (16.2, 256, 14),
    "rtx_3070": (20.3, 256, 14),
    "rtx_3070_ti": (21.7, 256, 19),
    "rtx_3080": (29.8, 320, 19),
    "rtx_3080_ti": (34.1, 384, 19),
    "rtx_3090": (35.6, 384, 19.5),
    "rtx_3090_ti": (40.0, 384, 21),
    "rtx_4060": (15.1, 128, 17),
    "rtx_4060_ti": (22.1, 128, 18),
    "rtx_4070": (29.1, 192, 21),
    "rtx_4070_super": (35.5, 192, 21),
    "rtx_4070_ti": (40.1, 192, 21),
    "rtx_4070_ti_super": (44.1, 256, 21),
    "rtx_4080": (48.7, 256, 22.4),
    "rtx_4080_super": (52.2, 256, 23),
    "rtx_4090": (82.6, 384, 21),
    "rtx_5060": (19.2, 128, 28),
    "rtx_5060_ti": (23.7, 128, 28),
    "rtx_5070": (30.9, 192, 28),
    "rtx_5070_ti": (43.9, 256, 28),
    "rtx_5080": (56.3, 256, 30),
    "rtx_5090": (104.8, 512, 28),
}
# The TFLOP/s that Apple stated (M1 to M1 Ultra), and those of its GPUs' cores as others list them.
APPLE_TFLOPS = {
    "m1": 2.6,
    "m1_pro": 5.2,
    "m1_max": 10.4,
    "m1_ultra": 21,
    "m2_max": 13.6,
    "m2_ultra": 27.2,
    "m3_max": 14.2,
}
OF_CARDS = ("nvidia", "nvidia_datacentre", "nvidia_turing", "nvidia_pascal", "amd", "amd_datacentre", "intel")
SEVERAL_FORMS = (
    "a100_40gb",
    "h100_pcie",
    "h100_sxm",
    "a100_80gb_pcie",
    "a100_80gb_sxm",
    "a800_80gb",
    "v100_16gb",
    "v100_32gb",
    "gh200_96gb",
)
ISSUE = (
    "m1_max m2_ultra m3_ultra m4_pro m4_max m5_max mi50 mi100 mi250 rx_6700_xt rx_7900_xtx strix_halo gb10 jetson_orin "
    "raspberry_pi_5 p40 p100 gtx_1070 gtx_1080_ti gtx_1660 t1200 rtx_3060 rtx_3070 rtx_4070 rtx_4070_laptop rtx_8000 "
    "a4000 a5000 v100_32gb rtx_6000_ada a6000"
)


def test_every_device_has_a_family():
    without = {name for name, profile in PROFILES.items() if profile.family not in DEVICE_FAMILIES}
    assert without == set()
    assert {profile.family for profile in PROFILES.values()} == set(DEVICE_FAMILIES)


@pytest.mark.parametrize("name", CARDS)
def test_cards_have_the_arithmetic_and_bandwidth_that_their_makers_publish(name):
    """Compare with twice the FP32 rate, and with the bus times its rate."""
    fp32_tflops, bus_bits, pin_gbit_per_s = CARDS[name]
    assert PROFILES[name].prefill_tflops == pytest.approx(2 * fp32_tflops, rel=0.01)
    assert PROFILES[name].bandwidth_gb_per_s == pytest.approx(bus_bits / 8 * pin_gbit_per_s, rel=0.01)


@pytest.mark.parametrize("name", APPLE_TFLOPS)
def test_apple_gpus_reach_what_is_published(name):
    assert PROFILES[name].prefill_tflops == pytest.approx(APPLE_TFLOPS[name], rel=0.03)


def test_memory_that_a_cpu_shares_is_open_to_the_gpu_in_part():
    unified = [profile for profile in PROFILES.values() if profile.family in ("apple", "amd_unified", "nvidia_unified")]
    assert len(unified) >= 20
    assert all(0.5 < profile.usable_share < 1 for profile in unified)
    for profile in PROFILES.values():
        assert not profile.memory_choices_gb or profile.memory_gb in profile.memory_choices_gb, profile.name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *((name, None) for name in ISSUE.split()),
        ("RTX 4090", "rtx_4090"),
        ("rtx-4090", "rtx_4090"),
        ("3090", "rtx_3090"),
        ("a4000", "rtx_a4000"),
        ("NVIDIA GeForce GTX 1080 Ti", "gtx_1080_ti"),
        ("1080 Ti", "gtx_1080_ti"),
        ("7900 XTX", "rx_7900_xtx"),
        ("Radeon RX 6700 XT", "rx_6700_xt"),
        ("Tesla P40", "p40"),
        ("dgx spark", "gb10"),
        ("M3 Ultra", "m3_ultra"),
        ("Apple M2-Max", "m2_max"),
        ("Mac mini M4 Pro", "m4_pro"),
        ("orin", "jetson_orin"),
        ("Ryzen AI Max+ 395", "strix_halo"),
        ("Raspberry Pi 5", "raspberry_pi_5"),
        ("V100 32GB", "v100_32gb"),
        ("RTX 3090 24GB", "rtx_3090"),
        ("Mac Studio M3 Ultra 512 GB", "m3_ultra"),
        ("Intel Arc A770", "arc_a770"),
        ("B580", "arc_b580"),
        ("Radeon VII", "radeon_vii"),
        ("TITAN RTX", "titan_rtx"),
        ("GTX 1060 6GB", "gtx_1060"),
        ("Jetson AGX Xavier", "jetson_xavier"),
        ("Thor", "jetson_thor"),
    ],
)
def test_names_are_understood_as_people_write_them(written, name):
    assert known_name(written) in PROFILES
    assert name is None or known_name(written) == name


@pytest.mark.parametrize("name", [name for name, profile in PROFILES.items() if profile.family in OF_CARDS])
def test_cards_are_understood_by_their_full_names(name):
    """Leave out what only some descriptions add."""
    words = re.split(r" by its data sheet|,| with | \d+ GB| in its ", PROFILES[name].description)[0]
    if "by its data sheet" in PROFILES[name].description and name not in SEVERAL_FORMS:
        assert known_name(words) == name


def test_no_two_devices_have_the_same_letters():
    compact = [re.sub(r"[^a-z0-9]", "", name) for name in PROFILES]
    assert len(set(compact)) == len(compact)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("m7_max", r"there is no such GPU profile; did you mean m[1-5]_max or m[1-5]_max; there are "),
        ("a100", "did you mean a1.*; there are "),
        ("gpt_oss", "there is no such GPU profile"),
        ("2x RTX 3060", r"is several GPUs; write gpus: \[2 x rtx_3060\] instead of gpu"),
        ("rtx 3080 12gb", "write gpu: rtx_3080 and memory_gb: 12"),
    ],
)
def test_a_name_that_means_no_device_is_refused_with_the_nearest_ones(written, message):
    with pytest.raises(InputError, match=message):
        read_profile(known_name(written))


def test_the_table_of_the_page_has_every_device_with_its_numbers():
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", page(), flags=re.MULTILINE)
    assert len(rows) >= 80
    sheets = {name for name, profile in PROFILES.items() if "by its data sheet" in profile.description}
    assert [name for name, *_ in rows] == list(dict.fromkeys(name for name, *_ in rows))
    assert {name for name, *_ in rows} == sheets
    for name, device, memory, tflops, bandwidth in rows:
        profile = PROFILES[name]
        share = "" if profile.usable_share == 1 else f" ({profile.usable_share:.0%})"
        assert profile.description.startswith(f"{device} by its data sheet"), name
        assert (memory, float(tflops), float(bandwidth)) == (
            f"{profile.memory_gb:g}{share}",
            profile.prefill_tflops,
            profile.bandwidth_gb_per_s,
        )


def page():
    """Return the text of the page about devices."""
    return (ROOT / "docs/planning_devices.md").read_text()
