"""The signature of the functions that value compositions inside the search."""

from numba import float64, int64, void

NODES = 12  # of the functions' interpolation; the mean is then right to 1e-4

# Arguments: arrival rate λ; (K,) mean times of the chains, ascending, and their capacities; number of chains that
# count; settings of the function; scratch memory (n + 6, n + 1) for n nodes; (K,) the values. The function writes the
# value of the first k chains alone into entry k - 1, and infinity where they cannot serve λ. Less is better.
PREFIX_VALUES = void(float64, float64[::1], int64[::1], int64, float64[::1], float64[:, ::1], float64[::1])
