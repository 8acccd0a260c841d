"""Two chains with unequal splits, served by llama.cpp's own programs."""

import pytest

pytest.importorskip("aiohttp", reason='needs the extra engines: pip install -e ".[engines]"')

from hydra.utils import instantiate

from evaluators.points.case import Draw
from serving.engines.llamacpp import fleet
from serving.engines.llamacpp.settings import LlamaCpp
from tests.support.project import case_of

pytestmark = pytest.mark.engines

TWO_CHAINS = (
    *("model=small_llama", "network=local", "cluster=local_splits", "placement=in_order", "allocation=reserved_only"),
    *("tuning.capacity=2", "workload=drawn_lengths", "workload.job_count=20", "demand.per_s=4"),
)


def test_every_layer_lies_where_the_composition_says():
    layout = Draw(instantiate(case_of(*TWO_CHAINS), _convert_="all"), 0).layout
    assert [chain.blocks for chain in layout.chains] == [(3, 13), (5, 11)]
    with fleet.start(layout, LlamaCpp()) as chains:
        read_back = [sorted(layers.values()) for layers in chains.placement]
    whole = tuple(range(16))
    assert read_back == [[whole[:3], whole[3:]], [whole[:5], whole[5:]]]
