"""The 24 hours: what is owed to whom by when, by which route, and the proof that it was done."""
