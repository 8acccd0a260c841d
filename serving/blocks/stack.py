"""The blocks that a server computes, consecutive ones, and the cache of the jobs that it serves."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from serving.blocks.block import Block
from serving.blocks.graphs import DecodeGraphs
from serving.blocks.slab import NoRoomError, Slab
from system.checks import require


@dataclass
class Job:
    """A job on one server: the blocks that it runs there, a cache slot for each, and the number of tokens in them."""

    first_block: int
    slots: list[int]
    position: int = 0


class Stack:
    """Blocks `first_block`, `first_block` + 1, ... of a model, and a slab for their cache.

    Every method raises `InputError` and changes nothing if its request cannot be met. With `graphs`, which must be of
    the same blocks and slab, single tokens are computed by CUDA graphs.
    """

    def __init__(
        self, blocks: Sequence[Block], first_block: int, slab: Slab, graphs: DecodeGraphs | None = None
    ) -> None:
        self.blocks, self.first_block, self.slab, self.graphs = list(blocks), first_block, slab, graphs
        self._jobs: dict[int, Job] = {}

    @property
    def job_count(self) -> int:
        """Count the jobs that hold slots."""
        return len(self._jobs)

    def open(self, job: int, first_block: int, block_count: int) -> None:
        """Take a cache slot for each block that a job runs here."""
        end = self.first_block + len(self.blocks)
        hosted = self.first_block <= first_block < first_block + block_count <= end
        wanted = f"{first_block} to {first_block + block_count - 1}"
        require(hosted, f"blocks of job {job}", wanted, f"this server hosts {self.first_block} to {end - 1}")
        require(job not in self._jobs, "job", job, "is already open on this server; close it first")
        self._jobs[job] = Job(first_block, self.slab.take(block_count))

    @torch.inference_mode()
    def step(self, job: int, hidden: Tensor) -> Tensor:
        """Return a job's hidden states (1, n, h) after its blocks.

        `hidden` (1, n, h) are those of its next n tokens.
        """
        if self.graphs is not None and hidden.shape[1] == 1:
            return self.decode([job], hidden)
        entry = self._job_with_room(job, hidden.shape[1])
        for block, slot in zip(self._blocks_of(entry), entry.slots, strict=True):
            hidden = block.prefill(hidden, self.slab.keys[slot], self.slab.values[slot], entry.position)
        entry.position += hidden.shape[1]
        return hidden

    @torch.inference_mode()
    def decode(self, jobs: Sequence[int], hidden: Tensor) -> Tensor:
        """Return the hidden states (B, 1, h) of B jobs after their blocks.

        `hidden` (B, 1, h) are those of the next token of each job. Each job goes through its own blocks, and jobs are
        computed together: a job that skips the first blocks of this server joins the batch at its own first block. With
        graphs, jobs with the same blocks are computed together.
        """
        entries = [self._job_with_room(job, 1) for job in jobs]
        hidden = hidden.clone()
        if self.graphs is None:
            self._decode_by_block(entries, hidden)
        else:
            self._decode_by_graph(self.graphs, entries, hidden)
        for entry in entries:
            entry.position += 1
        return hidden

    def _decode_by_block(self, entries: Sequence[Job], hidden: Tensor) -> None:
        longest = 1 + max(entry.position for entry in entries)
        for number, block in enumerate(self.blocks, start=self.first_block):
            rows = [row for row, entry in enumerate(entries) if self._runs(entry, number)]
            if rows:
                chosen = [entries[row] for row in rows]
                slot = self._index_tensor([entry.slots[number - entry.first_block] for entry in chosen])
                position = self._index_tensor([entry.position for entry in chosen])
                batch = slice(None) if len(rows) == len(entries) else rows
                hidden[batch] = block.decode(hidden[batch], self.slab.keys, self.slab.values, slot, position, longest)

    def _decode_by_graph(self, graphs: DecodeGraphs, entries: Sequence[Job], hidden: Tensor) -> None:
        rows_of: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, entry in enumerate(entries):
            rows_of[entry.first_block - self.first_block, len(entry.slots)].append(row)
        for (begin, _count), rows in rows_of.items():
            slots = [list(block) for block in zip(*(entries[row].slots for row in rows), strict=True)]
            hidden[rows] = graphs.decode(begin, hidden[rows], slots, [entries[row].position for row in rows])

    def close(self, job: int) -> None:
        """Free the slots of a job."""
        self.slab.give_back(self._job(job).slots)
        del self._jobs[job]

    def close_all(self) -> None:
        """Free all slots."""
        for job in list(self._jobs):
            self.close(job)

    def cached_tokens(self, job: int) -> int:
        """Return the number of the job's tokens on this server so far."""
        return self._job(job).position

    def require_step(self, job: int, first_block: int, block_count: int, tokens: int) -> None:
        """Raise `InputError` unless the job has opened these blocks with enough room."""
        entry = self._job_with_room(job, tokens)
        same = (first_block, block_count) == (entry.first_block, len(entry.slots))
        wanted = f"{block_count} from {first_block}"
        require(
            same, f"blocks of job {job}", wanted, f"it opened {len(entry.slots)} from {entry.first_block}; use those"
        )

    def _job(self, job: int) -> Job:
        require(job in self._jobs, "job", job, "is not open on this server")
        return self._jobs[job]

    def _job_with_room(self, job: int, tokens: int) -> Job:
        entry, limit = self._job(job), self.slab.cache_tokens
        if entry.position + tokens > limit:
            raise NoRoomError(
                f"tokens of job {job} = {entry.position + tokens}: a cache slot holds {limit}; make the slots larger"
            )
        return entry

    def _blocks_of(self, entry: Job) -> list[Block]:
        begin = entry.first_block - self.first_block
        return self.blocks[begin : begin + len(entry.slots)]

    @staticmethod
    def _runs(entry: Job, block: int) -> bool:
        return entry.first_block <= block < entry.first_block + len(entry.slots)

    def _index_tensor(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, device=self.slab.keys.device)
