"""Statistics of results and of lessons held against the curriculum plan (clause C5.2)."""
