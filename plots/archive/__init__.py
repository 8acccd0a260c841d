"""Archives for artifact evaluation: code, rows and figures in one file that reproduces itself."""
