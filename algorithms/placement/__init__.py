"""Block placements: `place(system, reserved_capacity, rng) -> Placement`, one file an algorithm.

`rng` is the draw's own random stream; deterministic algorithms leave it alone.
"""
