"""When requests slow each other: figures of experiments under service models."""
