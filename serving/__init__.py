"""Real execution: transformer blocks in torch, served by processes over chains of servers (the extra `runtime`)."""
