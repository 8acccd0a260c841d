"""Weights of Hugging Face checkpoints in safetensors, sharded or not: only what is asked for is opened and read.

A server needs no more of a checkpoint's files than config.json, the index and the shards that hold its blocks.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from serving.blocks.block import Block, new_block
from serving.blocks.ends import Ends, new_ends
from serving.blocks.supported import checkpoint_decoder
from system import InputError
from system.models.config_json import has_tied_head, read_config
from system.models.decoder import Decoder

CONFIG, INDEX, SINGLE = "config.json", "model.safetensors.index.json", "model.safetensors"


class CheckpointError(InputError):
    """The files of a checkpoint are not what they should be; the message names the file and what to do."""


class Names(NamedTuple):
    """Where a family keeps its parameters; `root` is missing from the names of some checkpoints."""

    root: str
    blocks: str
    ends: Mapping[str, str]  # from the parts of `Ends`


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
    """A folder with config.json, and model.safetensors or an index of shards beside it."""

    folder: Path

    def __post_init__(self) -> None:
        _require(self.folder.is_dir(), self.folder, "there is no such folder; give that of a Hugging Face checkpoint")
        _require((self.folder / CONFIG).is_file(), self.folder, f"holds no {CONFIG}, which says what the model is")

    @cached_property
    def decoder(self) -> Decoder:
        """Raises `InputError` where config.json describes a model that the blocks here do not compute."""
        return checkpoint_decoder(self.folder / CONFIG)

    @cached_property
    def shard_of(self) -> Mapping[str, Path]:
        """The file of each tensor, by the index if there is one."""
        single = self.folder / SINGLE
        if (self.folder / INDEX).is_file():
            return {name: self.folder / shard for name, shard in _weight_map(self.folder / INDEX).items()}
        _require(single.is_file(), self.folder, f"holds neither {INDEX} nor {SINGLE}; convert it to safetensors")
        with _opened(single) as shard:
            return dict.fromkeys(shard.keys(), single)

    def block(self, b: int, dtype: torch.dtype, device: str | torch.device) -> Block:
        """Block b on the device; raises `CheckpointError` if the model has none or its tensors cannot be had."""
        count = self.decoder.block_count
        _require(0 <= b < count, self.folder, f"{self.decoder.name} has no block {b}, only 0 to {count - 1}")
        block = new_block(self.decoder, "meta", dtype)
        prefix = f"{self._root}{self._names.blocks}.{b}."
        self._fill(block.layers, {name: prefix + name for name in block.layers.state_dict()}, device)
        return block

    def ends(self, dtype: torch.dtype, device: str | torch.device) -> Ends:
        """Embedding, norms and head; raises `CheckpointError` if their tensors cannot be had."""
        ends = new_ends(self.decoder, "meta", dtype)
        self._fill(ends, {name: self._stored_name(name) for name in ends.state_dict()}, device)
        return ends

    @property
    def _names(self) -> Names:
        return NAMES[self.decoder.family]

    @property
    def _root(self) -> str:
        root, first = self._names.root, self._names.ends["embedding"]
        return root if f"{root}{first}.weight" in self.shard_of else ""

    def _stored_name(self, name: str) -> str:
        """What the checkpoint calls a parameter of `Ends`; a head that is tied is the embedding."""
        part, _, parameter = name.partition(".")
        if part == "head":
            if not has_tied_head(read_config(self.folder / CONFIG)):
                return HEAD
            part = "embedding"
        return f"{self._root}{self._names.ends[part]}.{parameter}"

    def _fill(self, module: nn.Module, stored: Mapping[str, str], device: str | torch.device) -> None:
        """Give a module of the meta device its parameters; `stored` is the tensor's name for each of them."""
        like = {stored[name]: parameter for name, parameter in module.state_dict().items()}
        tensors = dict(self._read(like, device))
        module.load_state_dict({name: tensors[stored[name]] for name in stored}, strict=True, assign=True)
        left = [name for name, tensor in (*module.named_parameters(), *module.named_buffers()) if tensor.is_meta]
        assert not left, f"{left} have no values"
        module.requires_grad_(requires_grad=False)

    def _read(self, like: Mapping[str, Tensor], device: str | torch.device) -> Iterator[tuple[str, Tensor]]:
        """The tensors with the dtypes of `like`, each shard opened once."""
        for path, names in self._by_shard(like).items():
            with _opened(path) as shard:
                for name in names:
                    _require_shape(path, shard, name, tuple(like[name].shape))
                    # A copy: mapped memory is aligned otherwise, which changes the last bits of matrix products.
                    yield name, shard.get_tensor(name).to(device, like[name].dtype, copy=True)

    def _by_shard(self, names: Iterable[str]) -> Mapping[Path, list[str]]:
        shards: dict[Path, list[str]] = defaultdict(list)
        for name in names:
            _require(name in self.shard_of, self.folder, f"holds no tensor {name}; is it the whole checkpoint?")
            shards[self.shard_of[name]].append(name)
        return shards


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The shard's reader; what is wrong with the file is one sentence."""
    _require(path.is_file(), path, "there is no such shard, though the index names it; download it")
    try:
        with safe_open(path, framework="pt", device="cpu") as shard:
            yield shard
    except SafetensorError as error:
        raise CheckpointError(f"checkpoint = {path}: truncated or not safetensors ({error}); fetch it again") from error


def _require_shape(path: Path, shard: Any, name: str, expected: tuple[int, ...]) -> None:
    _require(name in shard.keys(), path, f"holds no tensor {name}, though the index says so; fetch both again")  # noqa: SIM118
    found = tuple(shard.get_slice(name).get_shape())
    _require(found == expected, path, f"{name} has the shape {found}, by {CONFIG} it is {expected}; fetch both again")


def _weight_map(path: Path) -> Mapping[str, str]:
    try:
        weight_map: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"checkpoint = {path}: is no index with a weight_map; fetch it again") from error
    return weight_map


def _require(condition: bool, where: Path, sentence: str) -> None:
    if not condition:
        raise CheckpointError(f"checkpoint = {where}: {sentence}")
