"""Names that a user probably means, for models, GPUs and keys."""

import pytest

from system.words import near_names, plain_name, same_name

MODELS = ("gpt_neox_20b", "gpt_oss_20b", "llama3_8b", "llama3_70b", "qwen3_235b_a22b", "qwen3_32b")
GPUS = ("a100_40gb", "a100_80gb", "h100_sxm", "rtx_3090", "rtx_4090", "rtx_a6000", "t4")


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("gpt_oss_120b", MODELS, ["gpt_oss_20b"]),
        ("gpt-neo", MODELS, ["gpt_neox_20b"]),
        ("llama3_80b", MODELS, ["llama3_8b", "llama3_70b"]),
        ("lama3_8b", MODELS, ["llama3_8b", "llama3_70b"]),
        ("Qwen3-235B", MODELS, ["qwen3_235b_a22b", "qwen3_32b"]),
        ("bloom_560m", MODELS, []),
        ("RTX 4900", GPUS, ["rtx_4090", "rtx_3090"]),
        ("A6000", GPUS, ["rtx_a6000", "a100_80gb"]),
        ("a100", GPUS, ["a100_80gb", "a100_40gb"]),
        ("h200_sxm", GPUS, ["h100_sxm"]),
        ("wokload", ("workload", "weights", "goal"), ["workload"]),
        ("", MODELS, []),
        ("???", MODELS, []),
    ],
)
def test_near_names_are_of_the_same_kind(name, known, near):
    assert near_names(name, known) == near


def test_case_spaces_and_marks_do_not_matter():
    assert plain_name("Llama-3.3 70B") == "llama3370b"
    assert same_name("RTX A6000", GPUS) == "rtx_a6000"
    assert same_name("rtx", GPUS) is None
    assert same_name("--", ("", "a")) is None
