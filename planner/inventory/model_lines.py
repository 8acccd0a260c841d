"""How a model's numbers follow from its decoder and its precisions, as lines for people."""

from collections.abc import Iterator

from planner.inventory.models import ModelChoice
from system import ServedModel
from system.models.decoder import Decoder
from system.models.families import FAMILIES
from system.models.parts import Experts
from system.models.precisions import cache_precision, weight_precision

JOBS = 8  # in the example of a step of several tokens


def derivation(choice: ModelChoice, model: ServedModel) -> tuple[str, ...]:
    """Return how a model's numbers follow from its decoder."""
    decoder = choice.decoder
    return (
        *_of_shape(decoder),
        *choice.notes,
        _of_memory(choice, model),
        _of_cache(choice, model),
        f"prefill: 2 FLOP x {decoder.active_block_parameters:,} = {model.prefill_gflop:.4g} GFLOP a token and block, "
        "attention over the prompt not counted",
        _of_decoding(model),
        _of_ends(decoder, model),
    )


def _of_shape(decoder: Decoder) -> Iterator[str]:
    """Yield lines about the parameters of a block."""
    heads = f"{decoder.head_count} heads of {decoder.head_size}"
    heads += (
        f", {decoder.kv_head_count} for keys and values" if decoder.latent is None else ", keys and values compressed"
    )
    yield (
        f"{decoder.name}: {decoder.block_count} blocks of {decoder.block_parameters:,} parameters: "
        f"{decoder.attention_parameters:,} of attention ({heads}), {decoder.mlp_parameters:,} of the {_mlp(decoder)}, "
        f"{decoder.norm_parameters:,} of norms"
    )
    if decoder.experts is not None:
        yield from _of_experts(decoder, decoder.experts)


def _mlp(decoder: Decoder) -> str:
    if decoder.experts is None:
        return "gated MLP" if FAMILIES[decoder.family].gated_mlp else "MLP"
    shared = " with a shared one" if decoder.experts.shared_width else ""
    return f"{decoder.experts.count} experts{shared} and their router"


def _of_experts(decoder: Decoder, experts: Experts) -> Iterator[str]:
    """Yield lines about active parameters and dense blocks."""
    whole = f"{decoder.active_parameters / 1e9:.4g} B of {decoder.parameters / 1e9:.4g} B parameters"
    yield (
        f"a token uses {experts.active} of the {experts.count} experts: {decoder.active_block_parameters:,} parameters "
        f"of a block{f'; of the whole model {whole}' if decoder.vocabulary_size else ''}"
    )
    if experts.dense_blocks:
        equal = decoder.block_count * decoder.block_parameters + 2 * decoder.embedding_parameters
        yield (
            f"the first {experts.dense_blocks} blocks have no experts and are smaller; the plan counts them as the "
            f"others, which takes {equal / decoder.parameters - 1:.1%} more memory than the model has"
        )


def _of_memory(choice: ModelChoice, model: ServedModel) -> str:
    decoder, precision = choice.decoder, weight_precision(choice.weights)
    if choice.file_gb is not None:
        return f"memory of a block: its share of the file, {model.block_memory_gb:.4g} GB"
    if decoder.experts is None or not precision.dense_bytes:
        return f"memory of a block: {decoder.block_parameters:,} x {precision.words} = {model.block_memory_gb:.4g} GB"
    in_experts = decoder.experts.count * decoder.expert_parameters
    return (
        f"memory of a block: {in_experts:,} of experts x {precision.words} and "
        f"{decoder.block_parameters - in_experts:,} x {precision.dense_bytes:g} B = {model.block_memory_gb:.4g} GB"
    )


def _of_cache(choice: ModelChoice, model: ServedModel) -> str:
    decoder, words = choice.decoder, cache_precision(choice.cache).words
    values = f"2 x {decoder.kv_head_count} x {decoder.head_size}"
    if decoder.latent is not None:
        values = f"({decoder.latent.kv_rank} + {decoder.latent.rotary_size})"
    is_windowed = FAMILIES[decoder.family].is_windowed
    window = "; blocks that look at the last tokens only are counted in full" if is_windowed else ""
    token_bytes = decoder.cache_bytes(1, choice.cache)
    return (
        f"cache of a token in a block: {values} x {words} = {token_bytes:,.0f} B; of a request "
        f"of {model.cache_tokens:,} tokens: {model.cache_memory_gb:.4g} GB{window}"
    )


def _of_decoding(model: ServedModel) -> str:
    if not model.is_mixture:
        return (
            f"decoding: a block's weights are read once a token, {model.decode_read_gb:.4g} GB, the cache not counted"
        )
    return (
        f"decoding: a token reads {model.decode_read_gb:.4g} GB of a block, the cache not counted; a step of {JOBS} "
        f"tokens would read {model.active_gb(JOBS):.4g} GB, as they take different experts"
    )


def _of_ends(decoder: Decoder, model: ServedModel) -> str:
    if not decoder.vocabulary_size:
        return "embedding and output head: of unknown size, as no vocabulary_size is given"
    tied = ", both the same numbers" if decoder.has_tied_head else ""
    return f"embedding: {model.embedding_gb:.3g} GB, output head: {model.head_gb:.3g} GB{tied}"
