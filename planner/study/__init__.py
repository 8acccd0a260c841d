"""Study of a plan: alternatives, the value of each server, sensitivity to inputs, warnings."""
