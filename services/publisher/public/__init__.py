"""What anybody may see without signing in: the public figure, as JSON, CSV and a page."""
