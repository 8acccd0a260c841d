"""Records of made-up points with all fields that the store requires."""

from store.disk.provenance import current_provenance


def record(**fields):
    """Return the record of a part, to commit with its rows."""
    whole = {"configuration": {}, "configuration_hash": "", "modules": {}, "started": "2030-01-01"}
    return whole | {"provenance": current_provenance(), "duration_s": 1.0, "refusals": []} | fields


def note(**fields):
    """Return the record of an attempt without a result."""
    return record(status="failed", reason="broke", traceback="", part=[0, 1, 0, 1]) | fields
