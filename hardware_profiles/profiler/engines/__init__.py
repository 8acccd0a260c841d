"""The profile of an engine: one-token steps, prompts and hosts, timed through its streaming endpoint."""
