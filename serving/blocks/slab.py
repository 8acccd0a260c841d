"""A server's cache: block-slots of one allocation, the unit of the paper's memory constraint (3)."""

import torch

from system import InputError
from system.checks import require_count
from system.models.decoder import Decoder


class NoRoomError(InputError):
    """A job asks for more cache than a server has left: it is refused, and nothing changes."""


class Slab:
    """`cache_slot_count` slots, each for the keys and values of `cache_tokens` tokens of one job in one block.

    Nothing is allocated after it is made.
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
        """Slots that no job has."""
        return len(self._free)

    @property
    def used_count(self) -> int:
        return len(self.keys) - self.free_count

    @property
    def byte_count(self) -> int:
        """Bytes of all slots, free or not."""
        return self._storage.numel() * self._storage.element_size()

    def take(self, count: int) -> list[int]:
        """Numbers of so many free slots; raises `NoRoomError` if there are fewer."""
        if count > self.free_count:
            raise NoRoomError(f"cache slots = {count}: only {self.free_count} of {len(self.keys)} are free")
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def give_back(self, slots: list[int]) -> None:
        """They are free again."""
        self._free += slots
