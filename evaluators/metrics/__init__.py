"""Metrics of `conf/metric`: functions of an evaluator's answer, chosen by `metric=[NAME,NAME]`."""
