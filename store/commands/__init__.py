"""What the commands of `python -m store` and `run.py` print."""
