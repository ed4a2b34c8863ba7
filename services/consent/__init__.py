"""Who agreed to what, and by which document (clause 1 of the regulation)."""
