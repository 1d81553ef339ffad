"""Distributions of z: priors, posteriors, and what they are made of."""
