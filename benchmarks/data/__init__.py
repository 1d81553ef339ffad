"""Tables to measure on, and their splits."""
