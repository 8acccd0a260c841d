"""The sizes of the benchmarked problems."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The sizes of all benchmarks; claims are about `FULL`."""

    repetitions: int
    jobs: int  # in our simulator
    streamed_jobs: int
    heap_jobs: int  # in the plain Python loop
    peer_jobs: int  # in SimPy and Ciw
    routed_jobs: int
    routed_peer_jobs: int
    step_jobs: int
    step_peer_jobs: int
    slots_per_rate: int  # of 40 rates
    interference_servers: tuple[int, ...]
    gca_servers: tuple[int, ...]
    networkx_servers: int
    tuning_servers: int
    search_servers: int
    evaluations: int
    sweep_points: int


FULL = Scale(
    repetitions=5,
    jobs=1_000_000,
    streamed_jobs=10_000_000,
    heap_jobs=100_000,
    peer_jobs=20_000,
    routed_jobs=100_000,
    routed_peer_jobs=2000,
    step_jobs=20_000,
    step_peer_jobs=200,
    slots_per_rate=25,
    interference_servers=(9, 20, 40),
    gca_servers=(400, 10_000, 100_000),
    networkx_servers=100,
    tuning_servers=40,
    search_servers=20,
    evaluations=200_000,
    sweep_points=1000,
)
TINY = Scale(
    repetitions=1,
    jobs=2000,
    streamed_jobs=5000,
    heap_jobs=500,
    peer_jobs=200,
    routed_jobs=500,
    routed_peer_jobs=50,
    step_jobs=50,
    step_peer_jobs=5,
    slots_per_rate=1,
    interference_servers=(9,),
    gca_servers=(40, 50, 60),
    networkx_servers=40,
    tuning_servers=20,
    search_servers=20,
    evaluations=1000,
    sweep_points=3,
)
