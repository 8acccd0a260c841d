"""The parts that benchmarks share: sizes, measures, systems and peers."""
