"""Engines that this project did not write: their processes are started, used and ended here."""
