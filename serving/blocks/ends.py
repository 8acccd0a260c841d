"""What stands before the first block and after the last, kept by the orchestrator: embedding, last norm, head."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from serving.blocks.supported import require_supported, vocabulary_size
from system.models.decoder import Decoder


class Ends(nn.Module):
    """From tokens to the first block's input, and from the last block's output to the next token, greedily.

    Names of the parts are ours; `checkpoint.py` says what Hugging Face calls them. BLOOM norms its embeddings and
    uses them as its head.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        words, hidden, epsilon = vocabulary_size(decoder), decoder.hidden_size, decoder.norm_epsilon
        # Not drawn by torch, whose way of drawing on `meta` imports its compiler, for a second.
        self.embedding = nn.Embedding.from_pretrained(torch.empty(words, hidden))
        if decoder.family == "llama":
            self.embedding_norm: nn.Module = nn.Identity()
            self.last_norm: nn.RMSNorm | nn.LayerNorm = nn.RMSNorm(hidden, epsilon)
            self.head: nn.Linear | None = nn.Linear(hidden, words, bias=False)
        else:
            self.embedding_norm = nn.LayerNorm(hidden, epsilon)
            self.last_norm = nn.LayerNorm(hidden, epsilon)
            self.head = None

    @torch.inference_mode()
    def embed(self, tokens: Tensor) -> Tensor:
        """(1, n, h) for n tokens."""
        return self.embedding_norm(self.embedding(tokens))[None]

    @torch.inference_mode()
    def next_token(self, hidden: Tensor) -> Tensor:
        """(B,) the most likely token after the last of each row of (B, n, h)."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return linear(self.last_norm(hidden[:, -1]), weight).argmax(dim=-1)


def new_ends(decoder: Decoder, device: str | torch.device, dtype: torch.dtype) -> Ends:
    """Ends whose parameters are to be filled; on the device `meta` without memory."""
    require_supported(decoder)
    with torch.device(device):
        return Ends(decoder).to(dtype).requires_grad_(False)
