"""A plan as one HTML page that needs no other files."""
