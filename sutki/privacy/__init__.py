"""A person's own copy of everything that is held about them."""
