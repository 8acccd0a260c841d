"""A small model of random weights as a folder in Hugging Face's format."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.engines.petals.environment import INSIDE, guarded
from system import InputError
from system.checks import require, require_count


@dataclass(frozen=True, kw_only=True)
class SmallLlama:
    """A LLaMA of random weights, small enough for a swarm on one machine."""

    block_count: int = 8
    hidden_size: int = 512
    intermediate_size: int = 1408
    head_count: int = 8
    vocabulary_size: int = 1000
    most_tokens: int = 2048

    def __post_init__(self) -> None:
        require_count(**asdict(self))
        fits = self.hidden_size % (2 * self.head_count) == 0
        require(fits, "hidden_size", self.hidden_size, f"must be a multiple of {2 * self.head_count}, twice the heads")

    def config(self) -> dict[str, int]:
        """Return the fields of Hugging Face's `LlamaConfig`."""
        return {
            "num_hidden_layers": self.block_count,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_attention_heads": self.head_count,
            "num_key_value_heads": self.head_count,
            "vocab_size": self.vocabulary_size,
            "max_position_embeddings": self.most_tokens,
        }

    def write(self, folder: Path, python: Path) -> None:
        """Write the model with the Python of PETALS' environment."""
        words = guarded(python, str(INSIDE / "model_folder.py"), str(folder), json.dumps(self.config()))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(f"model folder = {folder}: could not be written ({last}); check the disk and {python}")
