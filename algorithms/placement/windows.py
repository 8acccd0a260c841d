"""Windows of consecutive blocks, for placements that add a server where the model is served least."""

import numpy as np
from numpy.typing import NDArray


def weakest_window(served: NDArray[np.generic], length: int) -> int:
    """Return the start of the window that is served least, the first of equals.

    Windows of the given length are compared by their values in ascending order: first by the value of the weakest
    block, then by that of the second weakest, and so on.
    """
    ascending = np.sort(np.lib.stride_tricks.sliding_window_view(served, length), axis=1)
    return int(np.lexsort(ascending.T[::-1])[0])
