"""Bad indexes of checkpoints: files that are none, and shards outside the folder; `tests/serving` damages shards."""

import json
import pickle
from functools import partial

from serving.blocks.index import read_index
from tests.robustness.bad_input import BadInput

TENSOR = "model.layers.0.input_layernorm.weight"


def read(content, folder):
    """Return the files of the tensors of an index with this content."""
    path = folder / "model.safetensors.index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_index(path)


DOCUMENTS = {
    "null": (b"null", "is no index with a weight_map"),
    "a list": (b"[]", "is no index with a weight_map"),
    "a number": (b"5", "is no index with a weight_map"),
    "a text": (b'"weight_map"', "is no index with a weight_map"),
    "no map": ({"metadata": {}}, "is no index with a weight_map"),
    "map is null": ({"weight_map": None}, "is no index with a weight_map"),
    "map is a list": ({"weight_map": [TENSOR, "model.safetensors"]}, "is no index with a weight_map"),
    "map is a text": ({"weight_map": "model.safetensors"}, "is no index with a weight_map"),
    "map is a number": ({"weight_map": 5}, "is no index with a weight_map"),
    "cut off": (b'{"weight_map": {"a": "b', "is not understood as JSON"),
    "a tensor twice": (b'{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}', "appears twice"),
    "nothing": (b"", "is not understood as JSON"),
    "deep nesting": (b"[" * 10_000, "is nested"),
    "UTF-16": ('{"weight_map": {}}'.encode("utf-16"), "save it in UTF-8"),
    "pickle": (pickle.dumps({"weight_map": {}}), "is not"),
}
SHARDS = (
    *("../../etc/passwd", "../a.safetensors", "/etc/passwd", "/tmp/a.safetensors", "sub/a.safetensors", "..", "."),
    *("", ".safetensors/..", "a.safetensors/", "pytorch_model-00001.bin", "a.pt", "a.safetensors.pkl", "C:\\a.bin"),
    *(
        "a\n.bin",
        "x" * 10**6,
        "~/a.bin",
        "${oc.env:HOME}",
        "file:///a.safetensors",
        None,
        5,
        True,
        [],
        {"_target_": "a"},
    ),
)


BAD = (
    *(
        BadInput("unchecked shape", f"index, {name}", partial(read, content), "checkpoint = ", "index.json", remedy)
        for name, (content, remedy) in DOCUMENTS.items()
    ),
    *(
        BadInput(
            "name as path",
            f"shard {str(shard)[:30]!r}",
            partial(read, {"weight_map": {TENSOR: shard}}),
            "checkpoint = ",
            TENSOR,
            "must be the name of a .safetensors file of the same folder",
        )
        for shard in SHARDS
    ),
)
