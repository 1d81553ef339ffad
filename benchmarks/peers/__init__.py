"""What skvae is measured beside."""
