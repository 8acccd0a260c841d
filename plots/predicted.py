"""What was predicted beside what was measured: the numbers behind the figures and the card of real runs.

A cell is a combination of axes of an experiment other than the evaluator and what goes with it: one system and its
requests. In each there are up to four kinds of numbers, each from an evaluator.
"""

import pandas as pd

from store.statistics import intervals_over_draws

THEORY, MODEL, STEPS, MEASURED = "theory", "equation (2)", "step queues", "measured"
KINDS = {
    "exact": THEORY,
    "simulation": MODEL,
    "replay": MODEL,
    "simulation_steps": STEPS,
    "replay_steps": STEPS,
    "runtime": MEASURED,
}
LOOK_OF_KIND = {THEORY: "exact", MODEL: "simulation", STEPS: "simulation_steps", MEASURED: "runtime"}
NOWHERE = -1.0  # stands for nan, which a pivot would drop; places are 0 or above
NOT_OF_A_CELL = ("point", "draw", "replication", "metric", "at", "value", "workload", "kind")


def with_kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the evaluators that predict or measure, with their `kind`."""
    found = rows.assign(kind=rows["evaluator"].map(KINDS))
    return found.dropna(subset="kind")


def kinds_in(rows: pd.DataFrame) -> list[str]:
    """The kinds that are there, from the plainest prediction to the measured."""
    return [kind for kind in LOOK_OF_KIND if kind in set(rows["kind"])]


def cell_axes(rows: pd.DataFrame) -> list[str]:
    """The columns whose values make a cell: axes other than the evaluator, its settings and its workload."""
    return [str(axis) for axis in rows if axis not in NOT_OF_A_CELL and not str(axis).startswith("evaluator")]


def means(rows: pd.DataFrame, draws: int) -> pd.DataFrame:
    """A line a cell, metric and place; columns are the kinds with their means, nan where a draw lacks one."""
    keys = [*cell_axes(rows), "metric", "at"]
    found = intervals_over_draws(rows[rows["draw"] < draws], [*keys, "kind"])
    whole = found[found["draws"] == draws].fillna({"at": NOWHERE})
    table = whole.pivot_table(index=keys, columns="kind", values="mean", sort=False).reset_index()
    return table.replace({"at": NOWHERE}, float("nan")).rename_axis(columns=None)


def errors(table: pd.DataFrame, reference: str = MEASURED) -> pd.DataFrame:
    """A table of `means` with, in place of each prediction, how far it is from the reference, relative to that."""
    predictions = [kind for kind in LOOK_OF_KIND if kind in table and kind != reference]
    return table.assign(**{kind: table[kind] / table[reference] - 1 for kind in predictions})


def compute_share(table: pd.DataFrame) -> float:
    """Share of computation in the service time of a job that is alone, as the steps' times say; nan if nothing says.

    Of a job that meets others that is what is left once it no longer waits for their steps.
    """
    times = table.groupby("metric")[[kind for kind in (STEPS, MEASURED) if kind in table]].mean()
    for kind in times:
        compute_s, communication_s = times[kind].reindex(["compute_mean_s", "communication_mean_s"])
        if pd.notna(compute_s + communication_s):
            return float(compute_s / (compute_s + communication_s))
    return float("nan")


def columns_of_cells(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each round trip and capacity: cells that differ in their load only."""
    return [shown for _, shown in rows.groupby(["network.rtt_s", "tuning.capacity"], sort=False)]


def cell_title(rows: pd.DataFrame, draws: int) -> str:
    """What cells that differ in their load have in common."""
    share = compute_share(means(rows[rows["demand.load"] == rows["demand.load"].iloc[0]], draws))
    rtt_ms, capacity = 1e3 * float(rows["network.rtt_s"].iloc[0]), rows["tuning.capacity"].iloc[0]
    alone = "" if pd.isna(share) else f", {share:.0%} computation"
    return f"c = {capacity}, RTT {rtt_ms:g} ms{alone}"
