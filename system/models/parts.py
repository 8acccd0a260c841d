"""Parts of a block beside plain attention and a dense MLP: experts, and multi-head latent attention."""

from dataclasses import dataclass, fields

from system.checks import require, require_count
from system.limits import BLOCKS, WIDTH


@dataclass(frozen=True)
class Experts:
    """The MLPs of a mixture, of which each token takes a few.

    The first `dense_blocks` blocks have one dense MLP instead, as in DeepSeek.
    """

    count: int
    active: int  # that a token takes
    width: int  # of one expert
    shared_width: int = 0  # of all shared experts together, which every token takes
    dense_blocks: int = 0

    def __post_init__(self) -> None:
        require_count(WIDTH, **{"experts": self.count, "active experts": self.active, "width of an expert": self.width})
        remedy = f"must be at most the {self.count} experts"
        require(self.active <= self.count, "active experts", self.active, remedy)
        if self.shared_width:
            require_count(WIDTH, **{"width of shared experts": self.shared_width})
        if self.dense_blocks:
            require_count(BLOCKS, **{"dense blocks": self.dense_blocks})


@dataclass(frozen=True)
class LatentAttention:
    """Attention whose cache is one compressed vector a token (DeepSeek-V2, arXiv 2405.04434, Sec. 2.1).

    A head of queries and keys has a part without positions and one with rotary positions.
    """

    kv_rank: int
    plain_size: int  # qk_nope_head_dim
    rotary_size: int  # qk_rope_head_dim
    value_size: int
    query_rank: int = 0  # 0: queries are not compressed

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "query_rank" or self.query_rank:
                require_count(WIDTH, **{f"{field.name} of latent attention": getattr(self, field.name)})

    @property
    def head_size(self) -> int:
        """Return the size of a head of queries."""
        return self.plain_size + self.rotary_size

    @property
    def cache_values(self) -> int:
        """Count the numbers that a token leaves in a cache."""
        return self.kv_rank + self.rotary_size

    def parameters(self, hidden_size: int, head_count: int) -> int:
        """Count the projections and their norms."""
        queries = head_count * self.head_size
        query = self.query_rank * (hidden_size + queries + 1) if self.query_rank else hidden_size * queries
        compressed = hidden_size * self.cache_values + self.kv_rank
        expanded = self.kv_rank * head_count * (self.plain_size + self.value_size)
        return query + compressed + expanded + head_count * self.value_size * hidden_size
