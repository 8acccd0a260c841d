"""The orchestrator: it starts requests on paths, sends their steps, and keeps their times."""
