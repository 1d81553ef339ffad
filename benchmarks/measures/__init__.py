"""What is measured of a model, of rows or of a process."""
