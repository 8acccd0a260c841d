"""The answers of the event loops; if a rule is broken they return that of `evaluators.admission.core` instead."""

FINISHED, NEEDS_ROOM, IS_UNSTABLE = 0, 1, 2
