"""Start commands for PETALS: one server for each server that hosts blocks, and a client."""

import re

import numpy as np

from exports.chains import Export
from exports.scripts import Description, comment, optional, required, script, server_words, without_commands
from system import Composition
from system.models.precisions import cache_precision

ENGINE = "PETALS"
TESTED_VERSION = "2.2.0.post1"
PORT = 31330  # of the first server; the next servers count on
FAMILIES = {"bloom": "BLOOM", "falcon": "Falcon", "llama": "LLaMA"}  # and Mixtral, a mixture of experts

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
QUANTISED = {"nf4": "nf4", "int8": "int8"}  # --quant_type by the precision of weights
TYPES = {"16 bit": "bfloat16", "float32": "float32"}  # --torch_dtype by the precision of the cache


def petals_export(composition: Composition, description: Description) -> Export:
    """Return a shell script with one line for each server that hosts blocks.

    It starts no chain: clients of PETALS choose their own paths.
    """
    description.check(composition)
    refusal = _refusal(description)
    if refusal:
        return without_commands(ENGINE, refusal, description)
    first, *others = np.flatnonzero(composition.placement.block_count > 0).tolist()
    variables = [
        required("MODEL", "name or folder of the model"),
        optional("PREFIX", re.sub(r"[^A-Za-z0-9_-]", "-", description.model)),
    ]
    peers = required("PEERS", "address that the first server prints") + "\n"
    commands = [_server(composition, first, "--new_swarm", description)]
    commands += [peers] if others else []
    commands += [_server(composition, j, '--initial_peers "$PEERS"', description) for j in others]
    client = CLIENT.replace("TYPE", TYPES[description.cache])
    commands.append("".join(f"# {line}\n" for line in client.splitlines()))
    reason = "its clients choose their own paths over these blocks"
    return Export(ENGINE, (), reason, script(_notes(description), variables, commands))


def _refusal(description: Description) -> str:
    """Return why PETALS cannot serve the model as planned."""
    if description.family not in FAMILIES:
        return f"it serves {', '.join(FAMILIES.values())} and Mixtral, and no {description.family} models"
    if description.cache not in TYPES:
        bits = 8 * cache_precision(description.cache).value_bytes
        return f"its cache has 16 bits where {bits:g} are planned, so that the blocks and the cache would not fit"
    if description.weights not in (*QUANTISED, description.cache):
        return f"its weights and its cache have one type, not {description.weights} and {description.cache}"
    return ""


def _notes(description: Description) -> list[str]:
    return [description.about, *NOTES.splitlines(), *([LLAMA] if description.family == "llama" else [])]


def _server(composition: Composition, j: int, swarm: str, description: Description) -> str:
    """Return the line that starts a server.

    PETALS keeps room for the given number of tokens in every block that the server hosts.
    """
    placement, system = composition.placement, composition.system
    tokens = placement.cache_slots(system)[j] * system.model.cache_tokens // placement.block_count[j]
    spare = "" if j in composition.hop_server else ", a spare on no chain of the plan"
    return (
        comment(server_words(composition, j, description) + spare)
        + f'python -m petals.cli.run_server "$MODEL" {swarm} --port {PORT + j} --identity_path server_{j + 1}.id '
        f'--dht_prefix "$PREFIX" --block_indices {placement.first_block[j]}:{placement.end_block[j]} '
        f"--attn_cache_tokens {tokens} --inference_max_length {system.model.cache_tokens} "
        f"--quant_type {QUANTISED.get(description.weights, 'none')} --torch_dtype {TYPES[description.cache]}\n"
    )
