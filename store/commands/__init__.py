"""Output of the commands `python -m store` and `run.py`."""
