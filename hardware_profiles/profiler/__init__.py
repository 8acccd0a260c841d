"""The profiler: it measures transformer blocks on a device, fits the time model of footnote 2, writes a GPU profile.

It measures the work of a server: blocks one after another on a cache full of random numbers, for a prompt and for
single tokens, alone and in batches.
"""
