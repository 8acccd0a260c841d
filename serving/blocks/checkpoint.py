"""Weights of Hugging Face checkpoints in safetensors, sharded or not.

Only the shards and tensors that are needed are opened and read. Of a checkpoint's files a server needs config.json, the
index, and the shards that hold its blocks.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from os.path import isfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from serving.blocks.block import Block, new_block
from serving.blocks.embedding_and_head import EmbeddingAndHead, new_embedding_and_head
from serving.blocks.index import CheckpointError, read_index, require_sound
from serving.blocks.supported import checkpoint_decoder
from system.models.config_json import has_tied_head, read_config
from system.models.decoder import Decoder

FLOATS = ("F64", "F32", "F16", "BF16")  # as safetensors names them
CONFIG, INDEX, SINGLE = "config.json", "model.safetensors.index.json", "model.safetensors"


class Names(NamedTuple):
    """The names of a family's parameters in checkpoints; some checkpoints leave out the `root`."""

    root: str
    blocks: str
    parts: Mapping[str, str]  # by the names of the parts of `EmbeddingAndHead`


HEAD = "lm_head.weight"
NAMES = {
    "llama": Names("model.", "layers", {"embedding": "embed_tokens", "last_norm": "norm"}),
    "bloom": Names(
        "transformer.",
        "h",
        {"embedding": "word_embeddings", "embedding_norm": "word_embeddings_layernorm", "last_norm": "ln_f"},
    ),
}


@dataclass(frozen=True)
class Checkpoint:
    """A folder with config.json, and with model.safetensors or an index of shards."""

    folder: Path

    def __post_init__(self) -> None:
        require_sound(
            self.folder.is_dir(), self.folder, "there is no such folder; give that of a Hugging Face checkpoint"
        )
        has_config = isfile(self.folder / CONFIG)
        require_sound(has_config, self.folder, f"holds no {CONFIG}, which describes the model; download it")

    @cached_property
    def decoder(self) -> Decoder:
        """Return the decoder in config.json; raise `InputError` if it cannot be computed here."""
        return checkpoint_decoder(self.folder / CONFIG)

    @cached_property
    def shard_of(self) -> Mapping[str, Path]:
        """Return the file of each tensor, from the index if there is one."""
        single = self.folder / SINGLE
        if (self.folder / INDEX).is_file():
            return read_index(self.folder / INDEX)
        require_sound(single.is_file(), self.folder, f"holds neither {INDEX} nor {SINGLE}; convert it to safetensors")
        with _opened(single) as shard:
            return dict.fromkeys(shard.keys(), single)

    def block(self, b: int, dtype: torch.dtype, device: str | torch.device) -> Block:
        """Return block b on the device.

        Raises `CheckpointError` if the model has no such block or its tensors cannot be read.
        """
        count = self.decoder.block_count
        require_sound(0 <= b < count, self.folder, f"{self.decoder.name} has no block {b}, only 0 to {count - 1}")
        block = new_block(self.decoder, "meta", dtype)
        prefix = f"{self._root}{self._names.blocks}.{b}."
        self._fill(block.layers, {name: prefix + name for name in block.layers.state_dict()}, device)
        return block

    def embedding_and_head(self, dtype: torch.dtype, device: str | torch.device) -> EmbeddingAndHead:
        """Return embedding, norms and head; raise `CheckpointError` if their tensors cannot be read."""
        module = new_embedding_and_head(self.decoder, "meta", dtype)
        self._fill(module, {name: self._stored_name(name) for name in module.state_dict()}, device)
        return module

    @property
    def _names(self) -> Names:
        return NAMES[self.decoder.family]

    @property
    def _root(self) -> str:
        root, first = self._names.root, self._names.parts["embedding"]
        return root if f"{root}{first}.weight" in self.shard_of else ""

    def _stored_name(self, name: str) -> str:
        """Return the name in the checkpoint of a parameter of `EmbeddingAndHead`.

        A tied head is stored as the embedding.
        """
        part, _, parameter = name.partition(".")
        if part == "head":
            if not has_tied_head(read_config(self.folder / CONFIG)):
                return HEAD
            part = "embedding"
        return f"{self._root}{self._names.parts[part]}.{parameter}"

    def _fill(self, module: nn.Module, stored: Mapping[str, str], device: str | torch.device) -> None:
        """Fill the parameters of a module on the device `meta`.

        `stored` has the name in the checkpoint for each of them.
        """
        like = {stored[name]: parameter for name, parameter in module.state_dict().items()}
        tensors = dict(self._read(like, device))
        module.load_state_dict({name: tensors[stored[name]] for name in stored}, strict=True, assign=True)
        unfilled = [name for name, tensor in (*module.named_parameters(), *module.named_buffers()) if tensor.is_meta]
        assert not unfilled, f"{unfilled} have no values"
        module.requires_grad_(requires_grad=False)

    def _read(self, like: Mapping[str, Tensor], device: str | torch.device) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors with the dtypes of `like`; open each shard once."""
        for path, names in self._by_shard(like).items():
            with _opened(path) as shard:
                for name in names:
                    _require_like(path, shard, name, tuple(like[name].shape))
                    # A copy: mapped memory is aligned differently, which changes the last bits of matrix products.
                    yield name, shard.get_tensor(name).to(device, like[name].dtype, copy=True)

    def _by_shard(self, names: Iterable[str]) -> Mapping[Path, list[str]]:
        shards: dict[Path, list[str]] = defaultdict(list)
        for name in names:
            require_sound(name in self.shard_of, self.folder, f"holds no tensor {name}; download the whole checkpoint")
            shards[self.shard_of[name]].append(name)
        return shards


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield the shard's reader; raise `CheckpointError` if the file is missing or damaged."""
    require_sound(path.is_file(), path, "there is no such shard, although the index names it; download it")
    try:
        with safe_open(path, framework="pt", device="cpu") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint = {path}: truncated or not safetensors ({error}); download it again"
        ) from error


def _require_like(path: Path, shard: Any, name: str, expected: tuple[int, ...]) -> None:
    """Raise `CheckpointError` unless the tensor is there, has floats and the expected shape."""
    is_there = name in shard.keys()  # noqa: SIM118
    require_sound(is_there, path, f"holds no tensor {name}, although the index names it; download both again")
    stored = shard.get_slice(name)
    kind, actual = stored.get_dtype(), tuple(stored.get_shape())
    remedy = f"{name} has numbers of the kind {kind}, not {', '.join(FLOATS)}; use weights that are not quantised"
    require_sound(kind in FLOATS, path, remedy)
    remedy = f"{name} has the shape {actual}, but {CONFIG} says {expected}; download both again"
    require_sound(actual == expected, path, remedy)
