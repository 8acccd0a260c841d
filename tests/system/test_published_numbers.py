"""Random numbers of the authors' simulator: MATLAB's twister, its order of draws, and its bounds."""

import numpy as np
import pytest

from system import InputError, RandomStreams
from system.random_streams.published_code import PublishedNumbers, PublishedStreams, Twister

NUMBERS = PublishedNumbers(node_count=11, job_count=7)


def uniforms(seed, count):
    return np.random.RandomState(seed).random_sample(count)


def test_the_twister_gives_the_numbers_of_matlab():
    # MATLAB's documented first numbers under its default seed.
    np.testing.assert_allclose(Twister(5489).random(3), [0.814723686, 0.905791937, 0.126986816], atol=5e-10)


def test_one_stream_gives_the_order_of_nodes_then_gaps_then_sizes():
    streams, u = NUMBERS(40, 2, 0), uniforms(42, 11 + 7 + 7)
    np.testing.assert_array_equal(streams.cluster("network").permutation(11), np.argsort(u[:11]))
    np.testing.assert_array_equal(streams.jobs("arrivals").standard_exponential(7), -np.log(u[11:18]))
    np.testing.assert_array_equal(streams.jobs("sizes").standard_exponential(7), -np.log(u[18:]))


@pytest.mark.parametrize(("i", "j", "run"), [(1, 1, 1), (2, 3, 7), (4, 4, 20)])
def test_every_cell_of_fig8_has_seeds_of_its_own(i, j, run):
    numbers = PublishedNumbers(11, 7, server_count=10 * i, fast_share=j / 10)
    first = numbers(43, run - 1, 0).cluster("network").random()
    assert first == uniforms(42 + 10_000 * i + 1_000 * j + run, 1)


def test_servers_join_by_a_stream_of_their_own():
    order = NUMBERS(40, 2, 0).cluster("placement").permutation(5)
    np.testing.assert_array_equal(order, np.argsort(uniforms(42 + 999, 5)))


@pytest.mark.parametrize("name", ["types", "demand", "choices"])
def test_streams_that_the_simulator_lacks_are_the_named_ones(name):
    published, named = NUMBERS(40, 2, 0), RandomStreams(40, 2, 0)
    np.testing.assert_array_equal(published.cluster(name).random(3), named.cluster(name).random(3))
    np.testing.assert_array_equal(published.jobs(name).random(3), named.jobs(name).random(3))


def test_second_replications_and_too_large_seeds_are_refused():
    with pytest.raises(InputError, match=r"replication = 1: .*use replications=1"):
        NUMBERS(40, 0, 1)
    assert PublishedStreams(2**32 - 1000, node_count=1, job_count=1).cluster("placement").random() < 1
    with pytest.raises(InputError, match=r"seed = 4294966296: .*must be at most 4,294,967,295"):
        NUMBERS(2**32 - 1000, 1, 0)
