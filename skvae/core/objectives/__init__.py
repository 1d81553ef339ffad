"""Objectives: what training maximises."""
