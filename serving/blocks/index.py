"""The index of a checkpoint: which file holds which tensor. Needs no torch."""

from pathlib import Path

from system import InputError
from system.checks import echo
from system.documents.json_files import read_json

SHARD_ENDING = ".safetensors"


class CheckpointError(InputError):
    """A file of a checkpoint is missing or damaged; the message names the file and the remedy."""


def require_sound(condition: bool, path: Path, sentence: str) -> None:
    """Raise `CheckpointError` unless the condition holds."""
    if not condition:
        raise CheckpointError(f"checkpoint = {path}: {sentence}")


def read_index(path: Path) -> dict[str, Path]:
    """Return the file of each tensor.

    Raises `CheckpointError` for a file outside the index's folder, and for one that is no safetensors file: a pickle is
    code.
    """
    content = read_json(path, "checkpoint")
    shards = content.get("weight_map") if isinstance(content, dict) else None
    require_sound(isinstance(shards, dict), path, "is no index with a weight_map; download it again")
    assert isinstance(shards, dict)
    return {name: path.parent / _file_name(path, name, shard) for name, shard in shards.items()}


def _file_name(path: Path, tensor: str, shard: object) -> str:
    """Return the name of a shard if it is one of the folder."""
    sound = (
        isinstance(shard, str) and Path(shard).name == shard and shard.endswith(SHARD_ENDING) and shard.isprintable()
    )
    remedy = f"must be the name of a {SHARD_ENDING} file of the same folder; convert the checkpoint to safetensors"
    require_sound(sound, path, f"weight_map has {echo(shard)} for {echo(tensor)}, which {remedy}")
    return str(shard)
