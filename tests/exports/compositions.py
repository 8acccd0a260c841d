"""Small compositions to export, and their descriptions."""

import numpy as np

from exports.machines import Device, Machine
from exports.scripts import Description
from system import Composition, Placement, ServedModel, Servers, System


def composition(ranges, chains, forwarding="hub", names=None, tokens=1000, rtt_s=0.01):
    """Return chains over servers that host ranges of blocks, with room for all.

    `ranges` are (first, end) of each server, and `chains` pairs of the servers' numbers and the capacity. The fastest
    chain comes first; server j takes j + 1 hundredths of a second for a block.
    """
    first, end = np.array(ranges).T
    count = len(ranges)
    model = ServedModel("small", int(end.max()), 1.0, 0.1, tokens, 1.0, 1.0, hidden_size=64)
    servers = Servers(
        memory_gb=np.full(count, 1000.0),
        communication_s=np.full(count, 0.01),
        block_s=0.01 * np.arange(1, count + 1),
        rtt_s=np.zeros((count, count)),
        orchestrator_rtt_s=np.full(count, rtt_s),
        names=names or tuple(f"server {j}" for j in range(count)),
    )
    hops = [j for servers_of_chain, _ in chains for j in servers_of_chain]
    blocks = []
    for servers_of_chain, _ in chains:
        done = 0
        for j in servers_of_chain:
            blocks.append(int(end[j]) - done)
            done = int(end[j])
    start = np.cumsum([0, *(len(servers_of_chain) for servers_of_chain, _ in chains)])
    return Composition.of_hops(
        System(model, servers, 0.1, (1.0, 1.0, 0.0), forwarding=forwarding),
        Placement(first, end - first),
        np.array(hops),
        np.array(blocks),
        start,
        np.array([capacity for _, capacity in chains]),
    )


def pair(gpus=1, ram=False):
    """Return a machine whose two devices hold half of the blocks each."""
    second = Device("RAM", "ram") if ram else Device("gpu", gpus=gpus)
    return Machine((Device("gpu", gpus=gpus), second), lambda blocks: (-(-blocks // 2), blocks // 2))


def own(**options):
    """Return a chain of three servers and a chain of one."""
    return composition([(0, 3), (2, 6), (6, 8), (0, 8)], [((0, 1, 2), 4), ((3,), 2)], **options)


def shared():
    """Return two chains that share a server, and one that shares none."""
    return composition([(0, 3), (3, 8), (3, 8), (0, 8)], [((0, 1), 4), ((0, 2), 1), ((3,), 2)])


def description(chains, **fields):
    """Return a description of a LLaMA model of 16 bits, with these fields changed."""
    labels = ("rtx_4090",) * len(chains.system.servers)
    plain = {"model": "llama2_7b", "family": "llama", "weights": "16 bit", "cache": "16 bit", "about": "a test"}
    return Description(**{**plain, "labels": labels, **fields})
