"""Real execution: transformer blocks in torch, hosted by server processes that form chains.

It needs the extra `runtime`.
"""
