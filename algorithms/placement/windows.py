"""Windows of consecutive blocks, for placements that put a server where the model is served least."""

import numpy as np
from numpy.typing import NDArray


def weakest_window(served: NDArray[np.generic], length: int) -> int:
    """The start of the window of that length whose ascending values come first, the weakest block before the others.

    The first of equal ones.
    """
    ascending = np.sort(np.lib.stride_tricks.sliding_window_view(served, length), axis=1)
    return int(np.lexsort(ascending.T[::-1])[0])
