"""Everything that predicts or measures response times of a layout."""
