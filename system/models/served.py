"""The served model: an ordered list of transformer blocks, with the memory and arithmetic of each."""

from dataclasses import dataclass

from system.checks import require, require_count, require_not_negative, require_positive
from system.errors import InputError
from system.limits import BLOCKS, TOKENS


@dataclass(frozen=True)
class ServedModel:
    """L transformer blocks (paper Sec. 2.1) and the two numbers behind their computation time (footnote 2).

    `cache_memory_gb` is the memory of one job's cache for one block at `cache_tokens` tokens, prompt and output
    together. `decode_read_gb` is the memory that one decode step reads per block: the block's weights, unless a
    published experiment assumed otherwise.

    A mixture of experts states how many of its experts a token takes in each block, and the memory of one; its
    `decode_read_gb` is then that of a step of one token.
    """

    name: str
    block_count: int  # L
    block_memory_gb: float  # s_m
    cache_memory_gb: float  # s_c
    cache_tokens: int
    prefill_gflop: float  # F, per block and input token
    decode_read_gb: float
    hidden_size: int | None = None  # width of the activations between blocks; only some baselines need it
    embedding_gb: float = 0.0  # beside the blocks; 0 if unknown; likewise:
    head_gb: float = 0.0  # also where the head is the embedding, as it may lie on another server
    expert_count: int = 0  # 0: a dense model
    active_experts: int = 0  # that one token takes
    expert_gb: float = 0.0

    def __post_init__(self) -> None:
        require_count(BLOCKS, block_count=self.block_count)
        require_count(TOKENS, cache_tokens=self.cache_tokens)
        require_positive(
            block_memory_gb=self.block_memory_gb,
            cache_memory_gb=self.cache_memory_gb,
            prefill_gflop=self.prefill_gflop,
            decode_read_gb=self.decode_read_gb,
        )
        require_not_negative(embedding_gb=self.embedding_gb, head_gb=self.head_gb, expert_gb=self.expert_gb)
        if self.hidden_size is not None:
            require_count(hidden_size=self.hidden_size)
        if self.is_mixture:
            require_count(expert_count=self.expert_count, active_experts=self.active_experts)
            remedy = f"must be at most expert_count = {self.expert_count}"
            require(self.active_experts <= self.expert_count, "active_experts", self.active_experts, remedy)

    @property
    def is_mixture(self) -> bool:
        """Return whether a token uses only some experts."""
        return self.expert_count != 0

    def active_gb(self, jobs: int) -> float:
        """Return what a step of one-token jobs reads of a block.

        A dense block is read once for all of them. Of a mixture it reads the experts that at least one of the jobs
        takes, which are E (1 - (1 - k/E)^jobs) of E experts if each job takes k, independently of the others.
        """
        require_count(jobs=jobs)
        if not self.is_mixture:
            return self.decode_read_gb
        not_taken = self.expert_count - self.active_experts  # by the first job
        by_others = 1 - (not_taken / self.expert_count) ** (jobs - 1)
        return self.decode_read_gb + not_taken * by_others * self.expert_gb

    @property
    def activation_bytes(self) -> int:
        """Return the bytes of a token's activations between two blocks.

        A number takes 2 B. Raises `InputError` if the model does not state its hidden size.
        """
        if self.hidden_size is None:
            raise InputError(
                f"hidden_size of {self.name} is missing: links with a bandwidth need it; add it to the model"
            )
        return 2 * self.hidden_size
