"""Relations between the columns of a table: what they are, found in rows, and kept in new ones."""
