"""Measured points: efficiencies fitted to them, predictions without one of them, and ranges from their spread."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hardware_profiles.listed.gpus import profiles_in
from planner.choice.search import plan
from planner.inventory.efficiency import FEWEST, UNCHECKED, Efficiency, efficiency_of
from planner.inventory.goals import Minimise
from planner.inventory.measured_points import observations, public_points
from planner.inventory.reading import inventory_of
from planner.output.accuracy import accuracy_figure
from planner.study.accuracy import WITHIN, leave_one_out, predicted_per_s, table
from planner.study.cautions import warnings
from planner.study.sensitivity import likely_range, ranges
from system import InputError
from system.models.presets import preset
from tests.support.planner_inventories import small_inventory

POINTS = {point.name: point for point in public_points()}
LAB = {
    "model": {"preset": "llama3_8b", "weights": "q4_k_m"},
    "cache_tokens": 2048,
    "workload": {"rate_per_s": 0.01, "input_tokens": 500, "output_tokens": 200},
    "overheads": {"prefill_ms": 0, "token_ms": 0},
}


def lab(*servers, **fields):
    listed = [{"name": f"s{n}", "rtt_ms": 0.3, **server} for n, server in enumerate(servers)]
    return inventory_of({**LAB, "servers": listed, **fields}, Path())


@pytest.fixture(scope="module")
def comparisons():
    return leave_one_out()


def test_devices_of_a_machine_have_the_spread_of_their_names():
    servers = [
        {"name": "box", "gpus": [{"gpu": "rtx_3090", "count": 4}], "tensor_parallel": True, "rtt_ms": 1},
        {"name": "one", "gpu": "rtx_3090", "rtt_ms": 1},
    ]
    content = {
        "model": {"preset": "llama3_8b"},
        "cache_tokens": 2048,
        "servers": servers,
        "workload": {"users": 1, "input_tokens": 500, "output_tokens": 100},
    }
    inventory = inventory_of(content, Path())
    assert inventory.device_names(0) == inventory.device_names(1) == ["rtx_3090"]
    assert inventory.spread[0].tolist() == inventory.spread[1].tolist()
    alone = plan(inventory_of(content | {"servers": servers[:1]}, Path()))
    assert any("the block times of rtx_3090 follow" in sentence for sentence in warnings(alone))


def test_points_have_sources_and_no_two_are_the_same():
    assert len(public_points()) == len(POINTS) >= 25
    for point in POINTS.values():
        assert point.source.address.startswith("https://")
        assert point.source.rule
        assert re.fullmatch(r"20\d\d-\d\d", point.source.date)
        assert 0.1 < point.tokens_per_s < 1000
    assert len({point.source.address for point in POINTS.values()}) >= 10


def test_predictions_without_a_point_are_close(comparisons):
    errors = np.abs([comparison.error for comparison in comparisons])
    assert errors.size == len(POINTS)
    assert np.median(errors) <= 0.15
    assert np.mean(errors <= WITHIN) >= 0.9
    signed = np.array([comparison.error for comparison in comparisons])
    assert abs(np.median(signed)) <= 0.05  # neither too fast nor too slow


def test_no_measurement_is_faster_than_reading_at_the_peak_bandwidth():
    """Find points whose weights are read in fewer bits than they say."""
    assert min(observed.measured_s / observed.peak_s for observed in observations().values()) > 1


def test_without_efficiencies_predictions_are_far_too_fast():
    names = [name for name, observed in observations().items() if observed.engine == "llama.cpp"][::10]
    ratios = [observations()[name].measured_s / observations()[name].peak_s for name in names]
    assert 1.3 < np.median(ratios) < 2.2


def test_a_prediction_is_what_arithmetic_says():
    """Compute LLaMA 3 8B in 16 bit on an RTX 4090 by hand."""
    point = POINTS["llama3_8b f16 on rtx_4090 (gpu_benchmarks)"]
    others = tuple(observed for name, observed in observations().items() if name != point.name)
    efficiency = Efficiency("llama.cpp", others)
    fit = efficiency.fit("nvidia")
    # 4096 x (4096 + 2 x 1024 + 4096) of attention, 3 x 4096 x 14336 of the MLP, 2 x 4096 of norms; 128,256 tokens
    block_gb = 2 * (4096 * (4096 + 2048 + 4096) + 3 * 4096 * 14336 + 2 * 4096) / 1e9
    head_gb = 2 * 128_256 * 4096 / 1e9
    token_s = (32 * block_gb + head_gb) / (1008 * fit.bandwidth_share) + 32 * fit.launch_s
    assert predicted_per_s(point, efficiency) == pytest.approx(1 / token_s, rel=1e-3)
    assert point.tokens_per_s == pytest.approx(1 / token_s, rel=0.15)


def test_a_prediction_over_a_network_adds_its_messages():
    point = POINTS["llama3_1_405b q4_k_m on 4 x strix_halo (ai_benchmarks)"]
    efficiency = efficiency_of("llama.cpp")
    alone = replace(point, links={"overheads": {"prefill_ms": 0, "token_ms": 0}, "link": "2.5gbe"})
    one_s, four_s = (1 / predicted_per_s(one, efficiency) for one in (alone, point))
    messages_s = four_s - one_s
    assert 0 < messages_s < 0.01  # of some 1 s: round trips and bytes of a switch are small beside 200 GB of reading


def test_a_fit_has_the_least_deviation_from_its_points():
    """Compare with a slow search around the fitted numbers."""
    fit = efficiency_of("llama.cpp").fit("apple")

    def deviation(share, launch_s):
        return np.mean(
            [
                abs(np.log((point.peak_s / share + launch_s) / point.measured_s))
                for point in fit.points
                if not point.is_mixture
            ]
        )

    best = deviation(fit.bandwidth_share, fit.launch_s)
    for share in fit.bandwidth_share * np.array([0.9, 1.0, 1.1]):
        for launch_s in fit.launch_s + np.array([-3e-5, 0.0, 3e-5]):
            assert best <= deviation(share, launch_s) + 1e-3


def test_the_spread_holds_nine_in_ten_points():
    efficiency = efficiency_of("llama.cpp")
    for family in ("nvidia", "apple", "nvidia_datacentre"):
        low, high = efficiency.spread(family)
        within = [
            low <= point.measured_s / efficiency.block_s(family, point.peak_s, point.is_mixture) <= high
            for point in efficiency.fit(family).points
        ]
        assert len(within) >= 10
        assert 0.8 <= np.mean(within) <= 0.95
        assert low < 1 < high


def test_an_engine_or_family_with_few_points_shares_those_of_others():
    petals, anyone = efficiency_of("petals"), efficiency_of("any")
    assert petals.fit("apple").words == "petals on all devices"
    assert efficiency_of("llama.cpp").fit("cpu").words == "llama.cpp on all devices"
    few = Efficiency("vllm", tuple(o for o in anyone.points if o.engine != "vllm"))
    assert few.fit("nvidia").words == "all engines on nvidia devices"
    assert len(anyone.fit("nvidia").points) > len(efficiency_of("llama.cpp").fit("nvidia").points) >= FEWEST
    low, high = few.spread("nvidia")
    of_all = few.spread("")
    assert low <= of_all[0]
    assert high >= of_all[1]
    assert petals.fit("nvidia").launch_s > 5 * efficiency_of("llama.cpp").fit("nvidia").launch_s


def test_an_inventory_takes_the_efficiencies_of_its_engine():
    engines, model = ("llama.cpp", "vllm", "petals", "any"), {"preset": "llama3_8b"}
    by = {engine: lab({"gpu": "a100_80gb_sxm"}, engine=engine, model=model) for engine in engines}
    token_s = {engine: float(inventory.servers.block_s[0, 2]) for engine, inventory in by.items()}
    assert token_s["vllm"] < token_s["llama.cpp"] < token_s["petals"]
    assert token_s["vllm"] < token_s["any"] < token_s["petals"]
    peak_s = by["any"].model.decode_read_gb / 2039
    assert peak_s < token_s["vllm"]
    (line,) = (line for line in by["vllm"].derivation if "decoding reaches" in line)
    assert "measured points of vllm on nvidia datacentre devices" in line
    low, high = efficiency_of("vllm").spread("nvidia_datacentre")
    assert by["vllm"].spread.tolist() == [[low, high]]


def test_measured_profiles_are_used_as_they_are():
    tiny = {"preset": "tiny_llama", "weights": "float32"}
    inventory = lab({"gpu": "cpu_one_thread"}, model=tiny, cache_tokens=256, workload=LAB["workload"] | SHORT)
    profile = profiles_in(Path())("cpu_one_thread")
    measured = profile.measured_block_s["tiny_llama"]
    other = lab({"gpu": "cpu_one_thread"})  # another model than those that were measured
    own_s = other.model.decode_read_gb / profile.bandwidth_gb_per_s
    assert other.servers.block_s[0, 2] == pytest.approx(own_s)  # its GB/s were measured: no share applies again
    assert any("was measured with" in line for line in other.derivation)
    assert not any("decoding reaches" in line for line in other.derivation)
    assert other.spread.tolist() == [list(UNCHECKED)]
    if inventory.model.name in profile.measured_block_s:
        assert inventory.servers.block_s[0].tolist() == pytest.approx(list(measured))


SHORT = {"input_tokens": 50, "output_tokens": 20}


def test_machines_with_several_devices_have_the_widest_spread():
    mixed = lab({"gpus": ["rtx_3090", "rtx_2080_ti"]}, engine="llama.cpp", model={"preset": "llama3_8b"})
    low, high = np.array([efficiency_of("llama.cpp").spread(family) for family in ("nvidia", "nvidia_turing")]).T
    assert mixed.spread.tolist() == [[low.min(), high.max()]]


def test_ranges_come_from_the_spread_unless_a_share_is_given():
    best = plan(lab({"gpu": "rtx_3090"}, {"gpu": "rx_7900_xtx"}, engine="llama.cpp"))
    by_spread = {entry.name: entry for entry in ranges(best)}
    blocks = by_spread["block time of all servers"]
    low, high = best.inventory.spread.T
    assert blocks.factors == (low.min(), high.max())
    assert blocks.low < best.prediction.mean_s < blocks.high
    assert by_spread["round-trip times"].factors == pytest.approx((0.7, 1.3))
    by_share = {entry.name: entry for entry in ranges(best, 0.5)}
    assert {entry.factors for entry in by_share.values()} == {(0.5, 1.5)}
    sentence = likely_range(best, ranges(best))
    assert sentence.startswith(f"with block times of {low.min():.2f} to {high.max():.2f} times the planned ones")
    assert "mean response time lies between" in sentence


def test_inventories_without_points_keep_thirty_percent():
    best = plan(small_inventory({"large": 2}, Minimise(), 0.5))
    for entry in ranges(best):
        assert entry.factors == pytest.approx((0.7, 1.3))


def test_a_plan_says_what_its_block_times_rest_on():
    best = plan(lab({"gpu": "rtx_5070"}, engine="llama.cpp"))
    (sentence,) = (line for line in warnings(best) if "follow from data sheets" in line)
    assert re.search(r"block times of rtx_5070 follow from data sheets and \d+ measured points of llama.cpp", sentence)
    assert "none of rtx_5070" in sentence


def test_a_wrong_point_is_one_sentence(tmp_path):
    point = {"model": "llama3_8b", "weights": "f16", "gpu": "rtx_3090", "gpus": "2 x rtx_3090", "tokens_per_s": 1}
    source = f"address: https://x.org\n  date: 2026-01\n  engine: vllm\n  rule: all\n  points: [{point}]"
    (tmp_path / "points.yaml").write_text(f"mine:\n  {source}".replace("'", ""))
    with pytest.raises(InputError, match=r"give exactly one of gpu, gpus, servers"):
        public_points(tmp_path / "points.yaml")


def test_the_figure_and_the_table_show_all_points(comparisons):
    axes = accuracy_figure(comparisons).axes[0]
    drawn = sum(len(collection.get_offsets()) for collection in axes.collections[1:])
    assert drawn == len(comparisons)
    low, high = axes.get_xlim()
    assert all(low < comparison.point.tokens_per_s < high for comparison in comparisons)
    rows = [row.split(" | ") for row in list(table(comparisons))[2:]]
    assert sum(int(row[2]) for row in rows) == len(comparisons)


def test_presets_of_all_points_exist():
    assert {preset(point.model).name for point in POINTS.values()} == {point.model for point in POINTS.values()}
