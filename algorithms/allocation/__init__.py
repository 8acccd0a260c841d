"""Cache allocations: `allocate(system, placement) -> Composition`, one file an algorithm."""
