"""HiGHS, as the solver of Helix's program."""

from typing import NamedTuple

import highspy
import numpy as np
from scipy.sparse import coo_array

from algorithms.helix.program import Cluster, Floats, Ints, Program, program_of
from system.placement import Placement
from system.token_flow import Flow


class Effort(NamedTuple):
    """When the solver stops: after some time, some nodes of its tree, or with a small enough gap."""

    time_limit_s: float
    most_nodes: int | None
    relative_gap: float


class Solved(NamedTuple):
    """The ranges that the solver found, None without any, and its bound on the flow."""

    placement: Placement | None
    bound_tokens_per_s: float


class _Quiet(highspy.Highs):
    """HiGHS without its banner, which is written when callbacks are enabled."""

    def enableCallbacks(self) -> None:  # noqa: N802
        """Turn the output off first."""
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


def solve(cluster: Cluster, effort: Effort, start: tuple[Placement, Flow] | None) -> Solved:
    """Return the best ranges found, from a start with its flow."""
    program = program_of(cluster)
    highs = _Quiet()
    options = {
        "output_flag": False,
        "log_to_console": False,
        "threads": 1,
        "random_seed": 0,
        "mip_rel_gap": effort.relative_gap,
    }
    options |= {"time_limit": float(effort.time_limit_s), "mip_abs_gap": 0.0}
    if effort.most_nodes is not None:
        options["mip_max_nodes"] = effort.most_nodes
    for name, value in options.items():
        highs.setOptionValue(name, value)
    highs.passModel(_model(cluster, program))
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = solution_of(program, *start).tolist()
        highs.setSolution(known)
    highs.run()
    info = highs.getInfo()
    is_feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    bound = abs(float(info.mip_dual_bound)) * program.unit_tokens_per_s
    return Solved(_ranges(program, np.array(highs.getSolution().col_value)) if is_feasible else None, bound)


def _model(cluster: Cluster, program: Program) -> highspy.HighsLp:
    """Return the program in the solver's form."""
    columns, rows = program.columns, program.rows
    shape = (len(rows.lower), columns.variables)
    entries = np.concatenate(rows.value), (np.concatenate(rows.row), np.concatenate(rows.column))
    matrix = coo_array(entries, shape=shape).tocsc()
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns.variables, len(rows.lower)
    cost = np.zeros(columns.variables)
    cost[columns.flow[columns.target == columns.start.size]] = 1.0
    model.col_cost_, model.sense_ = cost, highspy.ObjSense.kMaximize
    model.col_lower_, model.col_upper_ = np.zeros(columns.variables), program.upper
    model.row_lower_, model.row_upper_ = np.array(rows.lower), np.array(rows.upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    kinds = np.full(columns.variables, highspy.HighsVarType.kInteger)
    kinds[columns.flow] = highspy.HighsVarType.kContinuous
    model.integrality_ = kinds.tolist()
    return model


def solution_of(program: Program, placement: Placement, flow: Flow) -> Floats:
    """Return the values of all variables for a placement with its flow.

    Servers without flow hold nothing.
    """
    columns, values = program.columns, np.zeros(program.columns.variables)
    used = flow.edge_tokens_per_s[:, :-1].sum(axis=0) > 0
    values[columns.start] = np.where(used, placement.first_block, 0)
    values[columns.hold] = used[columns.server] & (placement.block_count[columns.server] == columns.blocks)
    values[columns.flow] = flow.edge_tokens_per_s[columns.source, columns.target] / program.unit_tokens_per_s
    values[columns.valid] = values[columns.flow] > 0
    return values


def _ranges(program: Program, values: Floats) -> Placement:
    """Return the placement of a solution; servers that hold nothing start at block 0."""
    columns = program.columns
    blocks: Ints = np.zeros(columns.start.size, np.int64)
    held = values[columns.hold] > 0.5
    blocks[columns.server[held]] = columns.blocks[held]
    first = np.where(blocks > 0, np.rint(values[columns.start]).astype(np.int64), 0)
    return Placement(first, blocks)
