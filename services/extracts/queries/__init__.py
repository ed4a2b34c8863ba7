"""SQL: one query per function, by what it is about."""
