"""Block placements: `place(system, reserved_capacity, rng) -> Placement`, one file per algorithm.

`rng` is the draw's own random stream; deterministic algorithms do not use it.
"""
