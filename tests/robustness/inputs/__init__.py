"""Tables of bad input, a module for each part of the project; each has a tuple BAD of `BadInput`."""
