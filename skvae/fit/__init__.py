"""Fitting: from parameters and a table to a trained model."""
