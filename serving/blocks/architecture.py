"""The shapes of a model's transformer blocks. Needs no torch."""

import difflib
from dataclasses import dataclass
from typing import Literal, get_args

from system import InputError
from system.checks import require, require_count, require_one_of, require_positive

Family = Literal["llama", "bloom"]


@dataclass(frozen=True)
class Architecture:
    """A decoder model of `block_count` equal blocks.

    `llama`: RMS norms, rotary positions, grouped heads, gated SiLU. `bloom`: layer norms, ALiBi, GELU, biases; every
    head has its own keys and values, and the intermediate size is four times the hidden size.
    """

    name: str
    family: Family
    block_count: int
    hidden_size: int
    head_count: int
    kv_head_count: int
    intermediate_size: int
    vocabulary_size: int
    norm_epsilon: float = 1e-5
    rope_theta: float = 10_000.0

    def __post_init__(self) -> None:
        require_one_of(get_args(Family), family=self.family)
        for name in ("block_count", "hidden_size", "head_count", "kv_head_count", "intermediate_size"):
            require_count(**{name: getattr(self, name)})
        require_count(vocabulary_size=self.vocabulary_size)
        require_positive(norm_epsilon=self.norm_epsilon, rope_theta=self.rope_theta)
        divides = self.hidden_size % self.head_count == 0
        require(divides, "head_count", self.head_count, f"must divide hidden_size = {self.hidden_size}")
        grouped = self.head_count % self.kv_head_count == 0
        require(grouped, "kv_head_count", self.kv_head_count, f"must divide head_count = {self.head_count}")
        if self.family == "bloom":
            self._check_bloom()

    def _check_bloom(self) -> None:
        own = self.kv_head_count == self.head_count
        require(own, "kv_head_count", self.kv_head_count, f"must be head_count = {self.head_count} in a BLOOM block")
        wide = self.intermediate_size == 4 * self.hidden_size
        require(wide, "intermediate_size", self.intermediate_size, "must be 4 hidden_size in a BLOOM block")

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.head_count

    @property
    def kv_size(self) -> int:
        """Width of a token's keys, and of its values."""
        return self.kv_head_count * self.head_size

    @property
    def block_parameters(self) -> int:
        """Parameters of one block."""
        hidden, wide = self.hidden_size, self.intermediate_size
        if self.family == "llama":
            return 2 * hidden * hidden + 2 * hidden * self.kv_size + 3 * hidden * wide + 2 * hidden
        return 4 * hidden * hidden + 2 * hidden * wide + 9 * hidden + wide

    @property
    def cache_values_per_token(self) -> int:
        """Numbers that a job's cache holds for one token and one block."""
        return 2 * self.kv_size


PRESETS = {
    entry.name: entry
    for entry in (
        Architecture("llama2_7b", "llama", 32, 4096, 32, 32, 11008, 32000),
        Architecture("bloom_176b", "bloom", 70, 14336, 112, 112, 57344, 250880),
        Architecture("tiny_llama", "llama", 6, 512, 8, 4, 1376, 1000),
        Architecture("tiny_bloom", "bloom", 6, 384, 12, 12, 1536, 1000),
    )
}


def architecture(name: str) -> Architecture:
    """The preset of that name; raises `InputError` with the nearest names."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=2)
    nearest = f"did you mean {' or '.join(near)}; " if near else ""
    raise InputError(f"model = {name}: there are no torch blocks of it, {nearest}there are {', '.join(PRESETS)}")
