"""Output of a plan: terminal, JSON document, picture and start commands."""
