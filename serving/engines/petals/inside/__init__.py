"""Scripts for the environment that has PETALS; this project imports none of them."""
