"""llama.cpp: one RPC server for each server of a chain, and one llama-server for each chain."""
