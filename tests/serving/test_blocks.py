"""Blocks compared with a plain float64 implementation and transformers; chains compared with the whole model."""

from dataclasses import replace

import numpy as np
import pytest

from serving.blocks.supported import SUPPORTED, supported_preset, vocabulary_size
from system import InputError
from system.models.decoder import Decoder
from system.models.presets import all_presets, preset
from tests.support.oracles import blocks as oracle
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import BLOOM, LLAMA, MODELS, name_of, one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
from serving.blocks.attention import alibi_slopes  # noqa: E402
from serving.blocks.block import new_block  # noqa: E402
from serving.blocks.graphs import Captured, CudaCapture, DecodeGraphs  # noqa: E402
from serving.blocks.reference import generate  # noqa: E402
from serving.blocks.slab import NoRoomError, Slab  # noqa: E402
from serving.blocks.stack import Stack  # noqa: E402
from serving.blocks.weights import random_block, random_embedding_and_head  # noqa: E402

SEED = 7
EITHER = pytest.mark.parametrize("model", MODELS, ids=name_of)


def blocks_of(model, dtype=torch.float32):
    return [random_block(model, b, SEED, dtype, "cpu") for b in range(model.block_count)]


def embedding_and_head_of(model, dtype=torch.float32):
    return random_embedding_and_head(model, SEED, dtype, "cpu")


def arrays(module):
    """Return a module's parameters in the form that the oracle takes."""
    return {name: parameter.double().numpy() for name, parameter in module.state_dict().items()}


def hidden_states(model, tokens, dtype=torch.float32, seed=0):
    return torch.randn(1, tokens, model.hidden_size, generator=torch.Generator().manual_seed(seed)).to(dtype)


def prefilled(block, slab, slot, hidden, position=0):
    return block.prefill(hidden, slab.keys[slot], slab.values[slot], position)


def relative_error(actual, expected):
    return float(np.abs(actual.double().numpy() - expected).max() / np.abs(expected).max())


# Comparisons with other implementations


@EITHER
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_block_computes_what_the_papers_describe(model, dtype, tolerance):
    # Angles of rotary positions always have 32 bits; bfloat16 keeps 8 bits of each sum.
    block, hidden = random_block(model, 1, SEED, dtype, "cpu"), hidden_states(model, 50, dtype)
    expected = oracle.block(model, arrays(block.layers), hidden[0].double().numpy())
    slab = Slab(model, 1, 64, dtype, "cpu")
    assert relative_error(prefilled(block, slab, 0, hidden)[0], expected) < tolerance


@EITHER
def test_a_prompt_in_parts_and_then_single_tokens_give_the_same_hidden_states(model):
    block, hidden, slab = blocks_of(model)[0], hidden_states(model, 40), Slab(model, 3, 40, torch.float32, "cpu")
    expected = oracle.block(model, arrays(block.layers), hidden[0].double().numpy())
    parts = [prefilled(block, slab, 1, hidden[:, :17]), prefilled(block, slab, 1, hidden[:, 17:30], 17)]
    parts += [prefilled(block, slab, 1, hidden[:, t : t + 1], t) for t in range(30, 35)]
    one = torch.tensor([1])
    parts += [block.decode(hidden[:, t : t + 1], slab.keys, slab.values, one, torch.tensor([t])) for t in range(35, 40)]
    assert relative_error(torch.cat(parts, dim=1)[0], expected) < 1e-5
    assert not slab.keys[[0, 2]].any()
    assert not slab.values[[0, 2]].any()


def test_a_long_prompt_is_computed_in_parts():
    block, hidden = random_block(BLOOM, 0, SEED, torch.float32, "cpu"), hidden_states(BLOOM, 600)
    slab = Slab(BLOOM, 1, 600, torch.float32, "cpu")
    expected = oracle.block(BLOOM, arrays(block.layers), hidden[0].double().numpy())
    assert relative_error(prefilled(block, slab, 0, hidden)[0], expected) < 1e-5


@pytest.mark.parametrize("heads", [1, 2, 6, 8, 12, 112])
def test_slopes_of_alibi_are_those_of_the_oracle(heads):
    actual = alibi_slopes(heads, torch.device("cpu")).tolist()
    assert actual == pytest.approx(oracle.alibi_slopes(heads), rel=1e-6)
    assert len(set(actual)) == heads


def test_sixteen_bits_are_as_exact_far_into_a_context():
    # Slope · position reaches the hundreds, where bfloat16 has steps of 2 and more; slope · distance does not.
    block, hidden = random_block(BLOOM, 0, SEED, torch.bfloat16, "cpu"), hidden_states(BLOOM, 1000, torch.bfloat16)
    slab = Slab(BLOOM, 1, 1000, torch.bfloat16, "cpu")
    actual = prefilled(block, slab, 0, hidden)[0]
    expected = oracle.block(BLOOM, arrays(block.layers), hidden[0].double().numpy())
    early, late = (relative_error(actual[part], expected[part]) for part in (slice(0, 100), slice(900, 1000)))
    assert late < 2 * early


@EITHER
def test_norms_of_large_sixteen_bit_states_are_computed_in_32_bits(model):
    block, slab = random_block(model, 0, SEED, torch.float16, "cpu"), Slab(model, 1, 8, torch.float16, "cpu")
    hidden = 1000 * hidden_states(model, 8, torch.float16)  # squares overflow float16
    expected = oracle.block(model, arrays(block.layers), hidden[0].double().numpy())
    assert relative_error(prefilled(block, slab, 0, hidden)[0], expected) < 2e-3


@EITHER
def test_transformers_computes_the_same_tokens(model):
    reason = "transformers is not installed: blocks were compared with the plain float64 implementation only"
    transformers = pytest.importorskip("transformers", reason=reason)
    theirs = transformers_model(transformers, model)
    blocks, embedding_and_head, prompt = blocks_of(model), embedding_and_head_of(model), list(range(3, 33))
    with torch.no_grad():
        hidden, slab = embedding_and_head.embed(torch.tensor(prompt)), Slab(model, 4, 64, torch.float32, "cpu")
        for slot, block in enumerate(blocks):
            hidden = prefilled(block, slab, slot, hidden)
        states = theirs(torch.tensor([prompt]), output_hidden_states=True).hidden_states
        assert relative_error(embedding_and_head.last_norm(hidden), states[-1].double().numpy()) < 1e-5
        answer = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None)
    assert generate(model, blocks, embedding_and_head, prompt, 20) == answer[0, len(prompt) :].tolist()


def transformers_model(transformers, model):
    """Return the model of transformers with the same weights."""
    common = {"vocab_size": model.vocabulary_size, "hidden_size": model.hidden_size}
    if model.family == "llama":
        config = transformers.LlamaConfig(
            **common,
            num_hidden_layers=model.block_count,
            num_attention_heads=model.head_count,
            num_key_value_heads=model.kv_head_count,
            intermediate_size=model.intermediate_size,
            rms_norm_eps=model.norm_epsilon,
        )
        whole = transformers.LlamaForCausalLM(config)
        parts = {"model.embed_tokens": "embedding", "model.norm": "last_norm", "lm_head": "head"}
        layers = "model.layers"
    else:
        config = transformers.BloomConfig(**common, n_layer=model.block_count, n_head=model.head_count)
        whole = transformers.BloomForCausalLM(config)
        names = ("word_embeddings", "word_embeddings_layernorm", "ln_f")
        ours = ("embedding", "embedding_norm", "last_norm")
        parts = {f"transformer.{name}": own for name, own in zip(names, ours, strict=True)}
        layers = "transformer.h"
    embedding_and_head = embedding_and_head_of(model)
    for theirs, own in parts.items():
        whole.get_submodule(theirs).load_state_dict(getattr(embedding_and_head, own).state_dict())
    for b, block in enumerate(blocks_of(model)):
        whole.get_submodule(f"{layers}.{b}").load_state_dict(block.layers.state_dict())
    return whole.eval()


# Comparisons of chains with the whole model


def chain_tokens(model, stacks, path, job, prompt, new_tokens):
    """Return the tokens of a job that runs on a chain of servers.

    Its path is a list of (server, first block, blocks). The servers keep their other jobs.
    """
    embedding_and_head = embedding_and_head_of(model)
    for server, first_block, count in path:
        stacks[server].open(job, first_block, count)
    tokens, answer = torch.tensor(prompt), []
    for _ in range(new_tokens):
        hidden = embedding_and_head.embed(tokens)
        for server, _first_block, _count in path:
            hidden = stacks[server].step(job, hidden)
        tokens = embedding_and_head.next_token(hidden)
        answer.append(int(tokens))
    for server, _first_block, _count in path:
        stacks[server].close(job)
    return answer


def random_servers(model, rng):
    """Return servers whose blocks overlap, and a path over them.

    Each server creates its own blocks. The path may skip the first blocks of a server.
    """
    stacks, path, reached = [], [], 0
    while reached < model.block_count:
        first = int(rng.integers(0, reached + 1))
        end = int(rng.integers(reached + 1, model.block_count + 1))
        blocks = [random_block(model, b, SEED, torch.float32, "cpu") for b in range(first, end)]
        stacks.append(Stack(blocks, first, Slab(model, 2 * len(blocks), 64, torch.float32, "cpu")))
        path.append((len(stacks) - 1, reached, end - reached))
        reached = end
    return stacks, path


@EITHER
def test_the_whole_model_generates_the_tokens_of_the_oracle(model):
    blocks, embedding_and_head = blocks_of(model), embedding_and_head_of(model)
    for first in (2, 40):
        prompt = list(range(first, first + 8))
        expected = oracle.tokens_of(
            model, [arrays(block.layers) for block in blocks], arrays(embedding_and_head), prompt, 12
        )
        assert generate(model, blocks, embedding_and_head, prompt, 12) == expected
        assert len(set(expected)) > 5  # otherwise equal tokens would show little


@EITHER
@pytest.mark.parametrize("seed", range(6))
def test_tokens_of_a_chain_are_those_of_the_whole_model(model, seed):
    rng = np.random.default_rng(seed)
    stacks, path = random_servers(model, rng)
    prompt = rng.integers(0, model.vocabulary_size, size=int(rng.integers(1, 30))).tolist()
    others = [(server, stack.first_block, 1) for server, stack in enumerate(stacks)]
    for server, first_block, _count in others:  # slots that another job holds
        stacks[server].open(99, first_block, 1)
    expected = generate(model, blocks_of(model), embedding_and_head_of(model), prompt, 12)
    for job in (0, 1):  # the second job gets the slots as the first left them
        assert chain_tokens(model, stacks, path, job, prompt, 12) == expected
    for server, _first_block, _count in others:
        stacks[server].close(99)
    assert all(stack.slab.free_count == len(stack.slab.keys) and stack.job_count == 0 for stack in stacks)


def test_some_paths_of_that_test_skip_first_blocks_of_a_server():
    starts = [
        first - stacks[server].first_block
        for seed in range(6)
        for stacks, path in [random_servers(LLAMA, np.random.default_rng(seed))]
        for server, first, _count in path
    ]
    assert max(starts) > 0


@EITHER
def test_a_wrong_position_or_a_wrong_slot_changes_tokens(model):
    # So the comparison of tokens detects such errors.
    blocks, prompt = blocks_of(model), list(range(20))
    expected = generate(model, blocks, embedding_and_head_of(model), prompt, 12)
    stack = Stack(blocks, 0, Slab(model, model.block_count, 64, torch.float32, "cpu"))
    whole = [(0, 0, model.block_count)]
    assert chain_tokens(model, [stack], whole, 0, prompt, 12) == expected
    broken = Stack(blocks[:2] + blocks[1:2] + blocks[3:], 0, Slab(model, model.block_count, 64, torch.float32, "cpu"))
    assert chain_tokens(model, [broken], whole, 0, prompt, 12) != expected
    assert chain_tokens(model, [stack], whole, 1, prompt[1:], 12) != expected


# Batched decoding


def stack_with_jobs(model, paths, lengths, dtype=torch.float32):
    """Return a server with all blocks, and jobs with prompts of these lengths."""
    stack = Stack(blocks_of(model, dtype), 0, Slab(model, sum(count for _, count in paths), 64, dtype, "cpu"))
    for job, ((first, count), length) in enumerate(zip(paths, lengths, strict=True)):
        stack.open(job, first, count)
        stack.step(job, hidden_states(model, length, dtype, seed=job))
    return stack


PATHS, LENGTHS = [(0, 4), (2, 2), (0, 1), (1, 2), (0, 4)], [9, 30, 1, 17, 23]


@EITHER
def test_batched_ragged_steps_equal_serial_ones(model):
    together, alone = (stack_with_jobs(model, PATHS, LENGTHS) for _ in range(2))
    for step in range(5):
        jobs = [3, 0, 4, 2, 1][: 5 - step]
        hidden = hidden_states(model, len(jobs), seed=100 + step).transpose(0, 1)
        expected = torch.cat([alone.step(job, hidden[[row]]) for row, job in enumerate(jobs)])
        assert relative_error(together.decode(jobs, hidden), expected.double().numpy()) < 1e-5


@EITHER
def test_whole_slots_with_a_mask_give_the_same_as_their_used_part(model, monkeypatch):
    # A CUDA graph needs fixed shapes; the unused part of a slot may hold any numbers.
    stack = stack_with_jobs(model, PATHS[:1] + PATHS[4:], LENGTHS[:2])
    keys, values, block = stack.slab.keys, stack.slab.values, stack.blocks[0]
    hidden, slot, position = hidden_states(model, 2).transpose(0, 1), torch.tensor([0, 4]), torch.tensor([9, 30])
    prefix = block.decode(hidden, keys, values, slot, position, longest=31)
    keys[:, :, 31:], values[:, :, 31:] = 1e3, 1e3
    monkeypatch.delattr("serving.blocks.block.attend_each")
    fixed = block.decode(hidden, keys, values, slot, position)
    assert relative_error(fixed, prefix.double().numpy()) < 1e-6


@EITHER
def test_fixed_shapes_need_no_number_from_the_device(model):
    # The device `meta` has no numbers, so code that needs one fails there.
    block, slab = new_block(model, "meta", torch.float16), Slab(model, 6, 64, torch.float16, "meta")
    hidden = torch.empty(3, 1, model.hidden_size, dtype=torch.float16, device="meta")
    whole = torch.empty(3, dtype=torch.int64, device="meta")
    assert block.decode(hidden, slab.keys, slab.values, whole, whole).shape == hidden.shape


# Steps as CUDA graphs capture them


def stand_in(compute):
    """Capture as CUDA does: a replay depends only on what `compute` reads."""
    compute()
    output = compute()
    held = output.clone()
    return Captured(lambda: held.copy_(compute()), held)


@EITHER
def test_a_server_with_graphs_decodes_like_one_without(model):
    together, alone = (stack_with_jobs(model, PATHS, LENGTHS) for _ in range(2))
    together.graphs = DecodeGraphs(together.blocks, together.slab, stand_in)
    for step in range(4):
        jobs = [3, 0, 4, 2, 1] if step < 3 else [1]
        hidden = hidden_states(model, len(jobs), seed=100 + step).transpose(0, 1)
        expected = torch.cat([alone.step(job, hidden[[row]]) for row, job in enumerate(jobs)])
        actual = together.decode(jobs, hidden) if step < 3 else together.step(1, hidden)
        assert relative_error(actual, expected.double().numpy()) < 1e-5
    assert len(together.graphs) == 4  # jobs 0 and 4 run the same blocks; the last step captures no more


def test_graphs_reach_as_far_as_the_longest_job_in_steps_of_256_positions():
    slab = Slab(LLAMA, 2, 600, torch.float32, "cpu")
    graphs, hidden = DecodeGraphs(blocks_of(LLAMA)[:1], slab, stand_in), hidden_states(LLAMA, 2).transpose(0, 1)
    for positions, count in (([3, 4], 1), ([200, 255], 1), ([256, 1], 2), ([511, 2], 2), ([512, 9], 3), ([599, 0], 3)):
        graphs.decode(0, hidden, [[0, 1]], positions)
        assert len(graphs) == count


def test_graphs_need_a_cuda_device():
    with pytest.raises(InputError, match="device = cpu: CUDA graphs need a CUDA device"):
        CudaCapture(torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@EITHER
def test_captured_steps_equal_those_on_the_cpu(model):
    device = torch.device("cuda")
    slab = Slab(model, model.block_count, 64, torch.float32, device)
    blocks = [block.to(device) for block in blocks_of(model)]
    expected = stack_with_jobs(model, PATHS[:1], LENGTHS[:1])
    stack = Stack(blocks, 0, slab, DecodeGraphs(blocks, slab, CudaCapture(device)))
    stack.open(0, 0, model.block_count)
    stack.step(0, hidden_states(model, LENGTHS[0]).to(device))
    for step in range(3):
        hidden = hidden_states(model, 1, seed=step)
        actual = stack.step(0, hidden.to(device)).cpu()
        assert relative_error(actual, expected.step(0, hidden).double().numpy()) < 1e-3  # TF32 may be on


# Memory


@pytest.mark.parametrize(
    ("name", "parameters", "kv_bytes_per_token", "kv_bytes_of_2048"),
    [("llama2_7b", 202_383_360, 16_384, 33_554_432), ("bloom_176b", 2_466_437_120, 57_344, 117_440_512)],
)
def test_memory_of_the_presets(name, parameters, kv_bytes_per_token, kv_bytes_of_2048):
    block = new_block(preset(name), "meta", torch.bfloat16)
    assert sum(parameter.numel() for parameter in block.parameters()) == parameters == preset(name).block_parameters
    assert sum(tensor.nbytes for tensor in block.state_dict().values()) == 2 * parameters
    assert Slab(preset(name), 1, 1, torch.float16, "meta").byte_count == kv_bytes_per_token
    assert Slab(preset(name), 3, 2048, torch.float16, "meta").byte_count == 3 * kv_bytes_of_2048


OF_SUPPORTED_FAMILIES = [
    decoder for decoder in all_presets().values() if decoder.family in SUPPORTED and not decoder.has_scaled_rope
]


@pytest.mark.parametrize("model", [*OF_SUPPORTED_FAMILIES, *MODELS], ids=name_of)
def test_parameters_and_cache_of_a_block_are_those_that_torch_counts(model):
    block = new_block(model, "meta", torch.float32)
    assert sum(parameter.numel() for parameter in block.parameters()) == model.block_parameters
    assert sum(tensor.nbytes for tensor in block.state_dict().values()) == model.block_bytes("float32")
    assert Slab(model, 1, 7, torch.float16, "meta").byte_count == model.cache_bytes(7, "16 bit")


def test_a_slab_is_taken_and_given_back_and_never_overrun():
    slab = Slab(LLAMA, 5, 16, torch.float32, "cpu")
    before = slab.byte_count, slab.keys.data_ptr(), slab.values.data_ptr()
    first, second = slab.take(2), slab.take(3)
    assert sorted(first + second) == list(range(5))
    with pytest.raises(NoRoomError, match="cache slots = 1: only 0 of 5 are free"):
        slab.take(1)
    slab.give_back(first)
    with pytest.raises(NoRoomError, match="cache slots = 3: only 2 of 5 are free"):
        slab.take(3)
    assert sorted(slab.take(2)) == sorted(first)
    assert (slab.byte_count, slab.keys.data_ptr(), slab.values.data_ptr()) == before


def test_a_server_that_refuses_a_job_changes_nothing():
    stack = stack_with_jobs(LLAMA, [(0, 4)], [60])
    before = stack.slab.keys.clone()
    with pytest.raises(NoRoomError, match="cache slots = 2: only 0 of 4"):
        stack.open(1, 1, 2)
    with pytest.raises(NoRoomError, match="tokens of job 0 = 65: a cache slot holds 64"):
        stack.step(0, hidden_states(LLAMA, 5))
    with pytest.raises(InputError, match="blocks of job 2 = 3 to 4: this server hosts 0 to 3"):
        stack.open(2, 3, 2)
    with pytest.raises(InputError, match="job = 7: is not open"):
        stack.decode([0, 7], hidden_states(LLAMA, 2).transpose(0, 1))
    assert stack.job_count == 1
    assert torch.equal(stack.slab.keys, before)
    stack.step(0, hidden_states(LLAMA, 4))


def test_weights_depend_on_seed_and_block_alone():
    first, again, other, seeded = (
        random_block(LLAMA, b, seed, torch.float32, "cpu").layers.mlp.up_proj.weight
        for b, seed in ((2, 1), (2, 1), (3, 1), (2, 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, seeded)


# Decoders and presets that are refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "mistral"}, "family of m = mistral: there are torch blocks of llama and bloom only"),
        ({"head_size": 24}, r"head_size of m = 24: the torch blocks need hidden_size / head_count = 12 \(head_dim\)"),
        ({"family": "bloom"}, "kv_head_count of m = 2: must be head_count = 6 in a BLOOM block"),
        (
            {"family": "bloom", "kv_head_count": 6},
            "intermediate_size of m = 100: must be 4 x hidden_size = 288 in a BLOOM block",
        ),
    ],
)
def test_decoders_without_torch_blocks_are_refused(change, message):
    fields = {"name": "m", "family": "llama", "block_count": 4, "hidden_size": 72, "head_count": 6, "kv_head_count": 2}
    decoder = Decoder(**fields | {"intermediate_size": 100} | change)
    with pytest.raises(InputError, match=message):
        new_block(decoder, "meta", torch.float32)


def test_presets_that_cannot_be_served_are_refused():
    with pytest.raises(InputError, match=r"model = llama2_7: .*did you mean llama2_7b"):
        supported_preset("llama2_7")
    with pytest.raises(InputError, match="family of mistral_7b = mistral: there are torch blocks of llama and bloom"):
        supported_preset("mistral_7b")
    with pytest.raises(InputError, match=r"has_scaled_rope of llama3_1_8b = True: .*plain rotary positions only"):
        supported_preset("llama3_1_8b")
    with pytest.raises(InputError, match="vocabulary_size of llama3_8b = None: must be given where tokens are"):
        vocabulary_size(replace(preset("llama3_8b"), vocabulary_size=None))


def test_presets_of_plain_families_can_be_served():
    for name in ("llama2_7b", "llama3_8b", "bloom_176b", "tiny_llama", "small_llama", "tiny_bloom"):
        assert supported_preset(name) == preset(name)
