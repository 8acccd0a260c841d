"""A server's cache: the slots of one allocation, the unit of the paper's memory constraint (3)."""

import torch

from system import InputError
from system.checks import require_count
from system.models.decoder import Decoder


class NoRoomError(InputError):
    """A job needs more cache than a server has left: the job is refused, and nothing changes."""


class Slab:
    """All cache slots of a server, allocated once.

    Each of the `cache_slot_count` slots holds the keys and values of `cache_tokens` tokens of one job in one block.
    """

    def __init__(
        self,
        decoder: Decoder,
        cache_slot_count: int,
        cache_tokens: int,
        dtype: torch.dtype,
        device: str | torch.device,
    ) -> None:
        require_count(cache_slot_count=cache_slot_count, cache_tokens=cache_tokens)
        self.cache_tokens = cache_tokens
        shape = (2, cache_slot_count, decoder.kv_head_count, cache_tokens, decoder.head_size)
        self._storage = torch.zeros(shape, dtype=dtype, device=device)
        self.keys, self.values = self._storage  # (slots, kv heads, cache tokens, head size) each
        self._free = list(range(cache_slot_count))

    @property
    def free_count(self) -> int:
        """Count the slots that no job holds."""
        return len(self._free)

    @property
    def used_count(self) -> int:
        """Count the slots that jobs hold."""
        return len(self.keys) - self.free_count

    @property
    def byte_count(self) -> int:
        """Count the bytes of all slots, whether free or not."""
        return self._storage.numel() * self._storage.element_size()

    def take(self, count: int) -> list[int]:
        """Return the numbers of `count` slots that are free, and mark them as used.

        Raises `NoRoomError` if fewer are free.
        """
        if count > self.free_count:
            raise NoRoomError(f"cache slots = {count}: only {self.free_count} of {len(self.keys)} are free")
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def give_back(self, slots: list[int]) -> None:
        """Mark slots as free again."""
        self._free += slots
