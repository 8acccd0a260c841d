"""A plan as start commands for PETALS and vLLM, each with what the target cannot express."""

import numpy as np

from planner.results import Plan
from planner.words import digits, hop_words
from system import Composition

PRECISIONS = {"nf4": "nf4", "int8": "int8"}  # of PETALS' --quant_type, by the end of the model's name


PETALS = """\
PETALS: run each line on its server. The first server of a private swarm takes --new_swarm in the place of
--initial_peers and prints the address for the others.
What PETALS cannot express: its clients choose their paths themselves, so the places of the chains are not
enforced and JFFC does not dispatch. `python plan.py evaluate` shows these blocks under chains with places."""
VLLM = """\
vLLM: one engine a chain. Start a Ray cluster of exactly the chain's servers, in the order given, then the line.
Predicted times are NOT valid for it: its stages send to each other directly, not by way of an orchestrator,
it batches requests continuously, and its cache is paged: --max-num-seqs bounds requests but reserves nothing.
Send each request to the fastest engine with fewer in progress than its places (JFFC).
Check that vLLM can split the model into pipeline stages (its list of supported models says so)."""
MODEL = "MODEL=${MODEL:?the Hugging Face name of the model}"
PEERS = "PEERS=${PEERS:?addresses of the swarm}"


def petals_commands(plan: Plan) -> str:
    """A shell script with one line for each server that hosts blocks."""
    hosting = np.flatnonzero(plan.composition.placement.block_count > 0).tolist()
    return _script(plan, PETALS, [MODEL, PEERS], [_server(plan, j) for j in hosting])


def _server(plan: Plan, j: int) -> str:
    """PETALS keeps room for so many tokens in every block that a server hosts."""
    placement, system = plan.composition.placement, plan.composition.system
    tokens = placement.cache_slots(system)[j] * system.model.cache_tokens // placement.block_count[j]
    precision = PRECISIONS.get(system.model.name.rsplit("_", 1)[-1], "none")
    return (
        f"# {system.servers.name(j)} ({plan.inventory.gpus[plan.members[j]]})\n"
        f'python -m petals.cli.run_server "$MODEL" --initial_peers $PEERS --block_indices '
        f"{placement.first_block[j]}:{placement.end_block[j]} "
        f"--attn_cache_tokens {tokens} --quant_type {precision}\n"
    )


def vllm_commands(plan: Plan) -> str:
    """A shell script with one engine for each chain whose servers are on no other chain."""
    composition = plan.composition
    shared = shared_servers(composition)
    engines = []
    for k in range(len(composition)):
        busy = [composition.system.servers.name(j) for j in composition.chain(k).servers if j in shared]
        engines.append(_not_an_engine(composition, k, busy) if busy else _engine(composition, k))
    return _script(plan, VLLM, [MODEL], engines)


def shared_servers(composition: Composition) -> set[int]:
    """Servers on more than one chain."""
    servers, chains = np.unique(composition.hop_server, return_counts=True)
    return set(servers[chains > 1].tolist())


def _engine(composition: Composition, k: int) -> str:
    chain, tokens = composition.chain(k), composition.system.model.cache_tokens
    partition = ",".join(map(str, chain.blocks))
    return (
        f"# chain {k + 1}: {' > '.join(hop_words(composition, k))}\n"
        f'VLLM_PP_LAYER_PARTITION={partition} vllm serve "$MODEL" --pipeline-parallel-size {len(chain.servers)} '
        f"--distributed-executor-backend ray --max-model-len {tokens} --max-num-seqs {chain.capacity}\n"
    )


def _not_an_engine(composition: Composition, k: int, shared: list[str]) -> str:
    return (
        f"# chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no engine: "
        f"{', '.join(shared)} would be on several, and a vLLM worker belongs to one\n"
    )


def _script(plan: Plan, told: str, variables: list[str], commands: list[str]) -> str:
    prediction = plan.prediction
    about = (
        f"{plan.inventory.model.name} at {digits(prediction.rate_per_s)} requests/s: predicted mean "
        f"{digits(prediction.mean_s, 's')}, P95 {digits(prediction.quantiles_s[0.95], 's')}"
    )
    comments = [f"# {line}" for line in [about, *told.splitlines()]]
    return "\n".join(["#!/bin/sh", *comments, *variables, "", *commands])
