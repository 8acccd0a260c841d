"""Tokens per second that servers and links carry, and the largest flow of tokens through a placement."""

from system.token_flow.flow import Flow, link_tokens_per_s, max_flow
from system.token_flow.rates import compute_bound_tokens_per_s, linear_law_servers, tokens_per_s

__all__ = [
    "Flow",
    "compute_bound_tokens_per_s",
    "linear_law_servers",
    "link_tokens_per_s",
    "max_flow",
    "tokens_per_s",
]
