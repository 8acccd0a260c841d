"""The model of an inventory: how its costs follow from its decoder, as lines for people."""

from planner.inventory.model_lines import derivation
from planner.inventory.models import ModelChoice
from system.models.presets import preset


def test_the_derivation_shows_the_numbers_that_are_used():
    choice = ModelChoice(preset("bloom_176b"), "nf4", "16 bit")
    text = "\n".join(derivation(choice, choice.served(2048)))
    for shown in (
        "70 blocks",
        "2,466,437,120",
        "4.25 bits",
        "1.323 GB",
        "57,344 B",
        "2,048 tokens: 0.1174 GB",
        "4.933",
    ):
        assert shown in text
