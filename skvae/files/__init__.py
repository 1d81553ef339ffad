"""What is kept on disk: one file without pickle, and what of ours may stand in it."""
