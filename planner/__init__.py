"""Planning: from an operator's inventory of unequal servers to a deployment with predicted response times.

`plan.py` is its command.
"""
