"""A OneRoster 1.2 REST provider: rostering and gradebook reads, and writing results."""
