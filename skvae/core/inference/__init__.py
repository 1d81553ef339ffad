"""Inference: draws of z for a row, and what is made of their weights."""
