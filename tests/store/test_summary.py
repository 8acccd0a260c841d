"""Reasons for points without a result, with the values of the axes that tell these points from others."""

import numpy as np
import pandas as pd
import pytest

from store.commands.summary import reasons


def lines(*rows):
    table = pd.DataFrame(rows, columns=["c", "scheme", "load", "status"])
    columns = {"reason": "why", "duration_s": 0.1, "draws": 2, "replications": 1, "is_declared": True}
    return reasons(table.assign(point=table.index.astype(str), **columns))


OK = (1.0, "a", 0.5, "ok")
CASES = {
    "a point": ([OK, (2.0, "a", 0.5, "failed")], "    failed (1): why [c=2]"),
    "a grid": (
        [OK, *((c, name, 0.5, "failed") for c in (2.0, 3.0) for name in "ab")],
        "    failed (4): why [c=2,3 scheme=a,b]",
    ),
    "no grid": (
        [OK, (1.0, "b", 0.5, "failed"), (2.0, "b", 0.5, "failed"), (2.0, "a", 0.5, "failed")],
        "    failed (3): why [c=1 scheme=b; c=2 scheme=b; c=2 scheme=a]",
    ),
    "many": (
        [OK, *((float(n), "ab"[n % 2], 0.5, "failed") for n in range(2, 7))],
        "    failed (5): why [c=2 scheme=a; c=3 scheme=b; c=4 scheme=a; 2 more]",
    ),
    "a long axis": (
        [OK, *((float(n), "a", 0.5, "failed") for n in range(2, 20))],
        "    failed (18): why [c=2,3,4,5,6,7,8,9,...]",
    ),
    "an empty axis": ([OK, (np.nan, "b", 0.5, "failed")], "    failed (1): why [scheme=b]"),
    "all": ([(1.0, "a", 0.5, "failed")], "    failed (1): why"),
}


@pytest.mark.parametrize("case", CASES)
def test_reasons_name_axis_values(case):
    rows, expected = CASES[case]
    assert lines(*rows) == [expected]
