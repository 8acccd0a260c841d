"""Cache allocations: `allocate(system, placement) -> Composition`, one file per algorithm."""
