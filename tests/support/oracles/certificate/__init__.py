"""Plain computations of what the certificate bounds."""
