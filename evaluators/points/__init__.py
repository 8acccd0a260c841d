"""The evaluators of `conf/evaluator`; each turns one draw of a case into rows."""
