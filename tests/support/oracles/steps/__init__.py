"""Plain simulators of jobs that share servers, in Python with a heap and generators."""
