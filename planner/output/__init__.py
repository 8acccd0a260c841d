"""Output of a plan: terminal, JSON document, picture and start commands."""

from system.code.folders import keep_matplotlib_files

keep_matplotlib_files()
