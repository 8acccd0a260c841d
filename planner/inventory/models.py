"""The model of an inventory: a decoder described in its file, and how its costs follow, in words for people."""

from system import ServedModel
from system.documents.entries import Entry
from system.limits import BLOCKS, NAME, WIDTH
from system.models.decoder import FAMILIES, Decoder
from system.models.precisions import cache_precision, weight_precision

# The counts of a block as an inventory names them, and as `Decoder` does.
COUNTS = {
    "block_count": "block_count",
    "hidden_size": "hidden_size",
    "heads": "head_count",
    "kv_heads": "kv_head_count",
    "intermediate_size": "intermediate_size",
}
SHAPE_KEYS = ("name", "family", *COUNTS, "head_size")


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
