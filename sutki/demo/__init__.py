"""The sample district, run through the whole system and checked against its own files."""
