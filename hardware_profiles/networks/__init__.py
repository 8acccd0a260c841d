"""Networks: round-trip times of randomly drawn servers around an orchestrator."""
