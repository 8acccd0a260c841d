"""Values of every prefix of a row of chains under JFFC, compiled for searches."""
