"""The five estimators: what a user types, and what comes back."""
