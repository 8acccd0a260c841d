"""Start commands for PETALS: one server for each server that hosts blocks, and a client."""

import re
from dataclasses import dataclass

import numpy as np

from exports.chains import Export
from exports.families import PETALS, family_refusal
from exports.machines import Device
from exports.precisions import petals_precisions
from exports.scripts import Description, comment, optional, required, script, server_words, without_commands
from system import Composition
from system.words import listed

ENGINE = "PETALS"
TESTED_VERSION = "2.2.0.post1"
PORT = 31330  # of the first line; the next lines count on

NOTES = f"""\
PETALS {TESTED_VERSION}, whose own parser has read these lines. pip alone no longer installs it, as the hivemind that it
asks for cannot be built with newer Pythons: docs/petals.md has the versions that work, for all servers and clients.
Run each line on its server, the first one first: it starts a private swarm and prints its address, which is PEERS
of the other servers and of the client. MODEL is a name on Hugging Face or a folder. The files of identities keep
the addresses of servers over restarts.
What PETALS cannot express: its clients choose their own paths, so the capacities of the chains are not enforced
and JFFC does not dispatch. `python plan.py evaluate` predicts these blocks under chains with capacities."""
LLAMA = "It reads no models with the rope_scaling of LLaMA 3.1 or later, as its transformers is older than they are."
CLIENT = """\
A client:
  import torch
  from petals import AutoDistributedModelForCausalLM
  from transformers import AutoTokenizer
  tokenizer = AutoTokenizer.from_pretrained(MODEL)
  model = AutoDistributedModelForCausalLM.from_pretrained(
      MODEL, initial_peers=[PEERS], dht_prefix=PREFIX, torch_dtype=torch.TYPE)
  tokens = tokenizer("A chain of servers", return_tensors="pt")["input_ids"]
  print(tokenizer.decode(model.generate(tokens, max_new_tokens=20)[0]))
"""
IN_RAM = "a server of it computes on GPUs, but blocks of the plan lie in memory beside them"


@dataclass(frozen=True)
class _Part:
    """Blocks that one process of PETALS serves: those of a server's device."""

    server: int
    first_block: int
    blocks: int
    device: Device
    number: int | None  # of its first GPU among the server's; None if it has no other
    name: str  # of its files


def petals_export(composition: Composition, description: Description) -> Export:
    """Return a shell script with one line for each server that hosts blocks.

    It starts no chain: clients of PETALS choose their own paths.
    """
    description.check(composition)
    parts = _parts(composition, description)
    refusal = _refusal(parts, description)
    if refusal:
        return without_commands(ENGINE, refusal, description)
    variables = [
        required("MODEL", "name or folder of the model"),
        optional("PREFIX", re.sub(r"[^A-Za-z0-9_-]", "-", description.model)),
    ]
    peers = required("PEERS", "address that the first server prints") + "\n"
    swarms = ["--new_swarm", *['--initial_peers "$PEERS"'] * (len(parts) - 1)]
    commands = [
        _server(composition, part, PORT + n, swarm, description)
        for n, (part, swarm) in enumerate(zip(parts, swarms, strict=True))
    ]
    commands[1:1] = [peers] if len(parts) > 1 else []
    client = CLIENT.replace("TYPE", petals_precisions(description.weights, description.cache).options[-1])
    commands.append("".join(f"# {line}\n" for line in client.splitlines()))
    reason = "its clients choose their own paths over these blocks"
    return Export(ENGINE, (), reason, script(_notes(description), variables, commands))


def _refusal(parts: list[_Part], description: Description) -> str:
    """Return why PETALS cannot serve the model as planned."""
    if family_refusal(PETALS, description.family):
        return f"it serves {listed(list(PETALS.values()))}, and no {description.family} models"
    if any(part.device.kind == "ram" for part in parts):
        return IN_RAM
    return petals_precisions(description.weights, description.cache).refusal


def _notes(description: Description) -> list[str]:
    return [description.about, *NOTES.splitlines(), *([LLAMA] if description.family == "llama" else [])]


def _parts(composition: Composition, description: Description) -> list[_Part]:
    """Return a process for each device that hosts blocks."""
    placement = composition.placement
    parts = []
    for j in np.flatnonzero(placement.block_count > 0).tolist():
        held = description.machine(j).parts(int(placement.block_count[j]))
        first, gpu = int(placement.first_block[j]), 0
        for n, (device, blocks) in enumerate(held):
            name = f"server_{j + 1}" if len(held) == 1 else f"server_{j + 1}_{n + 1}"
            parts.append(_Part(j, first, blocks, device, gpu if len(held) > 1 else None, name))
            first, gpu = first + blocks, gpu + device.gpus
    return parts


def _server(composition: Composition, part: _Part, port: int, swarm: str, description: Description) -> str:
    """Return the line that starts a process.

    PETALS keeps room for the given number of tokens in every block that a process serves.
    """
    placement, system, j = composition.placement, composition.system, part.server
    tokens = placement.cache_slots(system)[j] * system.model.cache_tokens // placement.block_count[j]
    spare = "" if j in composition.hop_server else ", a spare on no chain of the plan"
    options = petals_precisions(description.weights, description.cache).options
    return (
        comment(server_words(composition, j, description) + spare)
        + f'python -m petals.cli.run_server "$MODEL" {swarm} --port {port} --identity_path {part.name}.id '
        f'--dht_prefix "$PREFIX" --block_indices {part.first_block}:{part.first_block + part.blocks} '
        f"--attn_cache_tokens {tokens} --inference_max_length {system.model.cache_tokens} "
        f"{' '.join(options)}{_devices(part)}\n"
    )


def _devices(part: _Part) -> str:
    """Return the option that names a process's GPUs, where its machine has others."""
    first = part.number or 0
    if part.device.gpus > 1:
        gpus = " ".join(f"cuda:{first + n}" for n in range(part.device.gpus))
        return f" --tensor_parallel_devices {gpus}"
    return "" if part.number is None else f" --device cuda:{first}"
