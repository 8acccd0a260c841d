"""Start commands of a plan for PETALS and vLLM, with notes on what each cannot express."""

import numpy as np

from planner.results import Plan
from planner.words import digits, hop_words, listed
from system import Composition

PETALS = """\
PETALS: run each line on its server. On the first server of a private swarm, replace --initial_peers and its
value by --new_swarm; that server then prints the address for the others.
What PETALS cannot express: its clients choose their own paths, so the capacities of the chains are not enforced
and JFFC does not dispatch. `python plan.py evaluate` predicts these blocks under chains with capacities.
PETALS serves BLOOM, Falcon, LLaMA and Mixtral, and keeps keys and values in the 16 bits of its --torch_dtype."""
VLLM = """\
vLLM: one engine for each chain. Run each line on its server, where HEAD is the address of the chain's first
server, which takes the requests. A chain of several servers needs a vLLM version with --nnodes; Ray would order
the stages by address, not as planned here.
The predicted times are NOT valid for vLLM: its stages send to each other directly, not through an orchestrator,
it batches requests continuously, and its cache is paged: --max-num-seqs limits requests but reserves no memory.
The first and last stages also hold the embedding and the output head, which the plan does not count.
Send each request to the fastest engine that serves fewer requests than its capacity, --max-num-seqs (JFFC).
Check in vLLM's list of supported models that it can split the model into pipeline stages."""
VLLM_LINKS = "its stages send to each other directly, not through an orchestrator,\n"  # said of plans over the hub
MODEL = "MODEL=${MODEL:?the Hugging Face name of the model}"
PEERS = "PEERS=${PEERS:?addresses of the swarm}"
HEAD = "HEAD=${HEAD:?address of the first server of the chain}"

# Options by the precision at the end of the model's name.
PETALS_PRECISIONS = {"nf4": "nf4", "int8": "int8"}
VLLM_PRECISIONS = {"nf4": " --quantization bitsandbytes"}
VLLM_INT8 = (
    "\nThe plan counts weights of 8 bits. vLLM does not convert weights when it loads them, so MODEL must have 8 bits."
)


def petals_commands(plan: Plan) -> str:
    """Return a shell script with one line for each server that hosts blocks."""
    hosting = np.flatnonzero(plan.composition.placement.block_count > 0).tolist()
    return _script(plan, PETALS, [MODEL, PEERS], [_server(plan, j) for j in hosting])


def _server(plan: Plan, j: int) -> str:
    """Return the line that starts a server.

    PETALS keeps room for the given number of tokens in every block that the server hosts.
    """
    placement, system = plan.composition.placement, plan.composition.system
    tokens = placement.cache_slots(system)[j] * system.model.cache_tokens // placement.block_count[j]
    idle = "" if j in plan.composition.hop_server else ", a spare on no chain of the plan"
    return (
        _comment(f"{system.servers.name(j)} ({plan.inventory.gpus[plan.members[j]]}{idle})")
        + f'python -m petals.cli.run_server "$MODEL" --initial_peers $PEERS --block_indices '
        f"{placement.first_block[j]}:{placement.end_block[j]} "
        f"--attn_cache_tokens {tokens} --inference_max_length {system.model.cache_tokens} "
        f"--quant_type {PETALS_PRECISIONS.get(_precision(plan), 'none')}\n"
    )


def vllm_commands(plan: Plan) -> str:
    """Return a shell script with one engine for each chain that shares no server."""
    composition = plan.composition
    shared = shared_servers(composition)
    engines = []
    for k in range(len(composition)):
        shared_names = [composition.system.servers.name(j) for j in composition.chain(k).servers if j in shared]
        engines.append(_no_engine(composition, k, shared_names) if shared_names else _engine(plan, k))
    valid = VLLM if plan.inventory.forwarding == "hub" else VLLM.replace(VLLM_LINKS, "")
    notes = valid + (VLLM_INT8 if _precision(plan) == "int8" else "")
    return _script(plan, notes, [MODEL, HEAD] if any('"$HEAD"' in engine for engine in engines) else [MODEL], engines)


def shared_servers(composition: Composition) -> set[int]:
    """Return the servers that are on more than one chain."""
    servers, chains = np.unique(composition.hop_server, return_counts=True)
    return set(servers[chains > 1].tolist())


def _engine(plan: Plan, k: int) -> str:
    """Return one line for each stage of chain k; the first takes the requests."""
    chain, tokens = plan.composition.chain(k), plan.composition.system.model.cache_tokens
    serve = (
        f'vllm serve "$MODEL" --max-model-len {tokens} --max-num-seqs {chain.capacity}'
        f"{VLLM_PRECISIONS.get(_precision(plan), '')}"
    )
    hops, stages = hop_words(plan.composition, k), len(chain.servers)
    if stages == 1:
        return _comment(f"chain {k + 1}: {hops[0]}") + f"{serve}\n"
    split = (
        f"VLLM_PP_LAYER_PARTITION={','.join(map(str, chain.blocks))} {serve} --pipeline-parallel-size {stages} "
        f'--distributed-executor-backend mp --nnodes {stages} --master-addr "$HEAD"'
    )
    lines = [
        _comment(f"chain {k + 1}, stage {n + 1} of {stages}: {hop}")
        + f"{split} --node-rank {n}{' --headless' if n else ''}\n"
        for n, hop in enumerate(hops)
    ]
    return "".join(lines)


def _no_engine(composition: Composition, k: int, shared: list[str]) -> str:
    return _comment(
        f"chain {k + 1} ({' > '.join(hop_words(composition, k))}) has no engine: a vLLM worker belongs to one "
        f"engine, but other chains also use {listed(shared)}"
    )


def _precision(plan: Plan) -> str:
    return plan.inventory.model.name.rsplit("_", 1)[-1]


def _comment(text: str) -> str:
    """Return a comment of one line.

    Line breaks in names are removed, since the shell would run what follows them.
    """
    return f"# {' '.join(text.split())}\n"


def _script(plan: Plan, notes: str, variables: list[str], commands: list[str]) -> str:
    prediction = plan.prediction
    about = (
        f"{plan.inventory.model.name} at {digits(prediction.rate_per_s)} requests/s: predicted mean "
        f"{digits(prediction.mean_s, 's')}, P95 {digits(prediction.quantiles_s[0.95], 's')}"
    )
    comments = "".join(map(_comment, [about, *notes.splitlines()]))
    return "\n".join(["#!/bin/sh", comments + variables[0], *variables[1:], "", *commands])
