"""The orchestrator: it starts jobs on paths, sends their steps, and records their times."""
