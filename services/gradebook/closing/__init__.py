"""Closing a period: who still has no final grade and why, deferrals, closing and opening again (C5.1, C5.3)."""
