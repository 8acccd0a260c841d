"""Layouts that llama.cpp cannot serve are refused in one sentence, before anything starts."""

from types import SimpleNamespace

import numpy as np
import pytest

from algorithms.routing.links import RoutedComposition
from serving.engines.llamacpp.fleet import LlamaCpp, start
from serving.engines.llamacpp.gguf_model import ModelFacts
from serving.engines.llamacpp.plans import chain_plans, require_model
from system import Composition, InputError, NotApplicableError
from tests.serving.llamacpp.layouts import layout_of, model_file, needs_gguf  # noqa: F401


def sharing():
    """Return a layout of two chains over the same servers."""
    one = layout_of((3, 13))
    hops = np.array([0, 1, 0, 1])
    return Composition.of_hops(one.system, one.placement, hops, np.array([3, 13, 3, 13]), np.array([0, 2, 4]), [1, 1])


def routed():
    """Return what plans see of a layout that routes each job."""
    layout = SimpleNamespace(system=layout_of((16,)).system)
    layout.composition = lambda: RoutedComposition.composition(layout)
    return layout


LAYOUTS = {
    "shared servers": (sharing, "2 of them use machine 0, and an RPC server serves one .*allocation=reserved_only"),
    "routes": (routed, "this scheme routes each job over the servers"),
    "direct hops": (
        lambda: layout_of((16,), forwarding="direct", rtt_s=[0.1]),
        "forwarding = direct: a llama-server exchanges activations .*; use forwarding=hub",
    ),
    "too many slots": (lambda: layout_of((16,), slots=257), "capacity of chain 0 = 257: .* at most 256 slots"),
    "too many servers": (lambda: layout_of((1,) * 16), "chain 0 = 16 servers: a llama-server takes at most 15"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts_of_other_engines_are_not_applicable(case):
    layout, words = LAYOUTS[case]
    with pytest.raises(NotApplicableError, match=words):
        chain_plans(layout(), emulates_rtt=False)


def test_round_trips_that_are_not_known_are_not_emulated():
    layout = layout_of((3, 13))
    with pytest.raises(NotApplicableError, match="emulate = rtt: this cluster's network has no round trips"):
        chain_plans(layout, emulates_rtt=True)
    assert [hop.rtt_s for hop in chain_plans(layout, emulates_rtt=False)[0].hops] == [0, 0]


def test_plans_have_the_blocks_slots_and_round_trips_of_the_chains():
    plans = chain_plans(layout_of((2, 14), (9, 6, 1), slots=[5, 6], rtt_s=[0.1, 0.2, 0.3, 0.4, 0.5]), emulates_rtt=True)
    assert [plan.slots for plan in plans] == [5, 6]
    assert [hop.rtt_s for plan in plans for hop in plan.hops] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert plans[1].hops[1].blocks == tuple(range(9, 15))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (ModelFacts("llama", 12, 4096, 300), "model.block_count = 16: my.gguf has 12 blocks"),
        (
            ModelFacts("llama", 16, 300, 300),
            "model.cache_tokens = 400: takes slots of 512 tokens .* my.gguf allows 300",
        ),
    ],
)
def test_a_model_file_must_have_the_blocks_and_the_context(facts, words):
    model = layout_of((16,), cache_tokens=400).system.model
    require_model(model, replace_facts(facts), "my.gguf")
    with pytest.raises(InputError, match=words):
        require_model(model, facts, "my.gguf")


def replace_facts(facts):
    """Return the facts of a file that would do."""
    return facts._replace(block_count=16, context_tokens=4096)


@needs_gguf
def test_a_model_file_of_other_blocks_is_refused_before_anything_starts(model_file):  # noqa: F811
    layout, settings = (
        layout_of((3, 9)),
        LlamaCpp(model_file=model_file, llama_server="/bin/true", rpc_server="/bin/true"),
    )
    with (
        pytest.raises(InputError, match="llama_server = /bin/true: does not tell its version"),
        start(layout, settings),
    ):
        pass


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"threads": 0}, "threads = 0"),
        ({"emulate": "all"}, "emulate = all: must be one of nothing, rtt"),
        ({"start_s": -1.0}, "start_s = -1"),
        ({"logs": ""}, "logs = "),
        ({"options": "--flash-attn off"}, "options = --flash-attn off: must be a list of words"),
    ],
)
def test_settings_are_checked_when_they_are_made(fields, words):
    with pytest.raises(InputError, match=words):
        LlamaCpp(**fields)
