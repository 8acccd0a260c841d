"""Pairs of measurements in the same draw: of a variant and of what it is compared with."""

from collections.abc import Sequence

import pandas as pd


def paired(rows: pd.DataFrame, reference: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return rows with their counterparts' values as `reference`.

    Rows without one are left out. Counterparts agree in the keys, such as the draw. `draws` becomes the number
    of draws that both points have, and `status` is `ok` if both are.
    """
    others = reference[[*keys, "value", "draws", "status"]]
    both = rows.merge(others, on=list(keys), suffixes=("", "_reference"), validate="many_to_one")
    status = both["status"].where(both["status_reference"] == "ok", both["status_reference"])
    draws = both[["draws", "draws_reference"]].min(axis="columns")
    pairs = both.assign(draws=draws, status=status, reference=both["value_reference"])
    return pairs.drop(columns=["value_reference", "draws_reference", "status_reference"])
