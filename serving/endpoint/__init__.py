"""Requests to endpoints that stream completions as OpenAI's API does, from any software."""
