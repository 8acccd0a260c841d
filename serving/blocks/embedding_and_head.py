"""The parts before the first block and after the last, kept by the orchestrator: embedding, last norm, head."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from serving.blocks.supported import require_supported, vocabulary_size
from system.models.decoder import Decoder


class EmbeddingAndHead(nn.Module):
    """The way from tokens to the first block, and from the last block to the most likely next token.

    The names of the parts are ours; `checkpoint.py` has Hugging Face's names for them. BLOOM normalises its embeddings
    and uses their matrix as its head.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        words, hidden, epsilon = vocabulary_size(decoder), decoder.hidden_size, decoder.norm_epsilon
        # Not initialised by torch: on the device `meta` that would import torch's compiler, which takes a second.
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
        """Return the hidden states (1, n, h) of n tokens before the first block."""
        return self.embedding_norm(self.embedding(tokens))[None]

    @torch.inference_mode()
    def next_token(self, hidden: Tensor) -> Tensor:
        """Return the most likely next token (B,) of each row of (B, n, h)."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return linear(self.last_norm(hidden[:, -1]), weight).argmax(dim=-1)


def new_embedding_and_head(decoder: Decoder, device: str | torch.device, dtype: torch.dtype) -> EmbeddingAndHead:
    """Return an embedding and head whose parameters are still to be filled.

    On the device `meta` they take no memory. Raises `InputError` if the decoder cannot be served.
    """
    require_supported(decoder)
    with torch.device(device):
        return EmbeddingAndHead(decoder).to(dtype).requires_grad_(False)
