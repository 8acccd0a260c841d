"""What the event loops answer, unless a rule is broken (`evaluators.admission.core`)."""

FINISHED, NEEDS_ROOM, IS_UNSTABLE = 0, 1, 2
