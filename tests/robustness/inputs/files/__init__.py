"""Tables of bad files: documents, traces, models, networks and stores."""
