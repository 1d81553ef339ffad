"""Families: the distribution of one cell given the raw numbers of the decoder."""
