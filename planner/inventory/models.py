"""The model of an inventory: its decoder, its precisions, and how its costs follow, in words for people."""

from dataclasses import dataclass
from pathlib import Path

from system import ServedModel
from system.checks import require, require_one_of
from system.documents.entries import Entry
from system.limits import BLOCKS, NAME, WIDTH
from system.models.config_json import decoder_from_config
from system.models.decoder import FAMILIES, Decoder
from system.models.precisions import CACHES, WEIGHTS, cache_precision, weight_precision
from system.models.presets import preset

SHAPES = ("preset", "config", "shape")
MODEL_KEYS = (*SHAPES, "weights", "cache")

# The counts of a block as an inventory names them, and as `Decoder` does.
COUNTS = {
    "block_count": "block_count",
    "hidden_size": "hidden_size",
    "heads": "head_count",
    "kv_heads": "kv_head_count",
    "intermediate_size": "intermediate_size",
}
SHAPE_KEYS = ("name", "family", *COUNTS, "head_size")


@dataclass(frozen=True)
class ModelChoice:
    """A decoder and the precisions of its weights and its cache."""

    decoder: Decoder
    weights: str
    cache: str


def model_of(top: Entry, folder: Path) -> ModelChoice:
    """Return the model of a file; paths in it are relative to the folder."""
    value = top.value("model", "a preset's name, such as llama3_70b, or a mapping with preset, config or shape")
    if not isinstance(value, dict):
        return ModelChoice(preset(top.text("model", "a preset's name, or a mapping")), "16 bit", "16 bit")
    entry = Entry.of("model", value, MODEL_KEYS)
    given = [key for key in SHAPES if key in entry]
    require(len(given) == 1, "model", given, f"give exactly one of {', '.join(SHAPES)}")
    decoder = _decoder(entry, folder)
    return ModelChoice(decoder, _precision(entry, "weights", WEIGHTS), _precision(entry, "cache", CACHES))


def decoder_from_entry(entry: Entry) -> Decoder:
    """Return the decoder that an inventory describes itself, an entry with `SHAPE_KEYS`."""
    hint = "a whole number"
    most = dict.fromkeys(COUNTS, WIDTH) | {"block_count": BLOCKS}
    counts = {field: entry.count(key, hint, most[key]) for key, field in COUNTS.items()}
    head_size = entry.count("head_size", hint, WIDTH) if "head_size" in entry else 0
    family = entry.text("family", f"one of {', '.join(FAMILIES)}")
    return Decoder(entry.text("name", "a name", NAME), family, **counts, head_size=head_size)


def derivation(decoder: Decoder, model: ServedModel, weights: str, cache: str) -> tuple[str, ...]:
    """Return how a model's numbers follow from its decoder, line by line."""
    of_weights, of_cache = weight_precision(weights), cache_precision(cache)
    per_token = decoder.cache_bytes(1, cache)
    mlp = "gated MLP" if FAMILIES[decoder.family].gated_mlp else "MLP"
    return (
        f"{decoder.name}: {decoder.block_count} blocks of {decoder.block_parameters:,} parameters: "
        f"{decoder.attention_parameters:,} of attention ({decoder.head_count} heads of {decoder.head_size}, "
        f"{decoder.kv_head_count} for keys and values), {decoder.mlp_parameters:,} of the {mlp}, "
        f"{decoder.norm_parameters:,} of norms",
        f"memory of a block: {decoder.block_parameters:,} x {of_weights.words} = {model.block_memory_gb:.4g} GB",
        f"cache of a token in a block: 2 x {decoder.kv_head_count} x {decoder.head_size} x {of_cache.words} = "
        f"{per_token:,.0f} B; of a request of {model.cache_tokens:,} tokens: {model.cache_memory_gb:.4g} GB",
        f"prefill: 2 FLOP x {decoder.block_parameters:,} = {model.prefill_gflop:.4g} GFLOP a token and block, "
        "attention over the prompt not counted",
        f"decoding: a block's weights are read once a token, {model.decode_read_gb:.4g} GB, the cache not counted",
        "embedding and output head stay with the orchestrator and take no memory of the servers",
    )


def _decoder(entry: Entry, folder: Path) -> Decoder:
    if "preset" in entry:
        return preset(entry.text("preset", "a preset's name"))
    if "config" in entry:
        path = folder / entry.text("config", "the path of a config.json")
        remedy = "describe the model by shape instead of config"
        return decoder_from_config(path, remedy, states_weights="weights" in entry)
    return decoder_from_entry(entry.part("shape", "the numbers of a block", SHAPE_KEYS))


def _precision(entry: Entry, key: str, known: tuple[str, ...]) -> str:
    if key not in entry:
        return "16 bit"
    chosen = entry.text(key, f"one of {', '.join(known)}")
    require_one_of(known, **{entry.where(key): chosen})
    return chosen
