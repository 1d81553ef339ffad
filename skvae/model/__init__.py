"""The fitted model: all that it can be asked."""
