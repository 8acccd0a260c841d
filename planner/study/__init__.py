"""What is asked about a plan: alternatives, the value of each server, sensitivity, cautions."""
