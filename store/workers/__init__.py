"""The work of a sweep that its workers share: items of work, locks of points, and signs of life."""
