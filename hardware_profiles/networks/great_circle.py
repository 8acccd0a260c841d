"""Distances on the Earth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0


def great_circle_km(
    latitude_deg: ArrayLike, longitude_deg: ArrayLike, other_latitude_deg: ArrayLike, other_longitude_deg: ArrayLike
) -> NDArray[np.float64]:
    """Return great-circle distances by the haversine formula.

    The arguments are broadcast against each other.
    """
    latitude, other_latitude = np.radians(latitude_deg), np.radians(other_latitude_deg)
    turn = np.radians(other_longitude_deg) - np.radians(longitude_deg)
    haversine = (
        np.sin((other_latitude - latitude) / 2) ** 2 + np.cos(latitude) * np.cos(other_latitude) * np.sin(turn / 2) ** 2
    )
    # Rounding errors can make the haversine of two antipodes a little larger than 1.
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(haversine, 1.0)))
