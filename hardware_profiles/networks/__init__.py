"""Networks: the round-trip times of a random draw of servers around an orchestrator."""
