"""The profiler: measures transformer blocks on a device, fits the time model of footnote 2, writes a GPU profile.

What is measured is what a server does: blocks one after another on a cache that is full of random numbers, for a prompt
and for single tokens, alone and in batches.
"""
