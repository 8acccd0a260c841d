"""What an operator states: servers, model, workload, goal, service model, running layouts."""
