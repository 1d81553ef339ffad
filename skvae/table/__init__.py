"""The table: a user's columns as numbers, and back."""
