"""Which chains have servers of their own."""

import numpy as np
import pytest

from exports.chains import hop_words, own_chains, shared_names
from tests.exports.compositions import composition, own, shared


def random_composition(seed):
    """Return random pairs of servers, of which one hosts each half."""
    rng = np.random.default_rng(seed)
    pairs = {(int(rng.integers(4)), int(rng.integers(4, 8))) for _ in range(5)}
    return composition([(0, 2)] * 4 + [(2, 4)] * 4, [(pair, 1) for pair in sorted(pairs)])


@pytest.mark.parametrize("chains", [own(), shared(), *map(random_composition, range(6))])
def test_a_chain_has_servers_of_its_own_if_it_meets_no_other(chains):
    members = [set(chain.servers) for chain in chains.chains]
    others = [set().union(*members[:k], *members[k + 1 :]) for k in range(len(members))]
    assert own_chains(chains) == [k for k in range(len(members)) if not members[k] & others[k]]
    assert chains.shared_servers == set().union(*(members[k] & others[k] for k in range(len(members))))
    for k in range(len(members)):
        names = {chains.system.servers.name(j) for j in members[k] & others[k]}
        assert set(shared_names(chains, k)) == names


def test_hops_are_named_with_the_blocks_that_they_run_and_not_all_that_they_host():
    chains = own()
    k = next(k for k in range(2) if len(chains.chain(k).servers) == 3)
    assert hop_words(chains, k) == ["server 0 0:3", "server 1 3:6", "server 2 6:8"]
