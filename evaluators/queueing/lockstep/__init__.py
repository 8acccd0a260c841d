"""Mean and tail response times in lockstep: a Markov chain on the numbers of busy slots."""
