"""What an admission decides, and how it is asked."""

from typing import NamedTuple, Protocol

from system import InfeasibleError


class Hop(NamedTuple):
    """A visit to a server, which runs `blocks` blocks from `first_block` on, counted from 0."""

    server: int
    first_block: int
    blocks: int


Path = tuple[Hop, ...]


class Start(NamedTuple):
    """A job that starts now, the hops that run all blocks for it, and its chain; -1 where the scheme has none."""

    job: int
    path: Path
    chain: int


class Admission(Protocol):
    """Who starts when and on which path. The caller owns the clock, which never goes back.

    Decisions are those of the compiled simulators if `starts` is asked after each single arrival and departure, those
    that end before an arrival at the same instant first, and at `next_look_s`.
    """

    @property
    def next_look_s(self) -> float:
        """When `starts` must be asked though nobody came or left; infinite if never."""

    def arrive(self, job: int, now_s: float) -> None:
        """A job comes, or comes again; raises `InfeasibleError` if no path is left."""

    def leave(self, job: int, now_s: float) -> None:
        """A job that had started has ended or was given up: its slots are free."""

    def starts(self, now_s: float) -> list[Start]:
        """The jobs that start now; each holds its slots from here on."""

    def lose_server(self, server: int) -> list[int]:
        """No path leads over it from now on; returns the jobs that wait and can never start any more.

        Those in service there are for the caller to take out with `leave`; they may come again.
        """


def no_path_left() -> InfeasibleError:
    """What a job is told that comes when every path led over a lost server."""
    return InfeasibleError("no path: servers were lost and no row of the others runs every block; start them again")
