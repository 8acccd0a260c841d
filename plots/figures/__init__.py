"""The figures: a module for each experiment, with the name of the experiment."""
