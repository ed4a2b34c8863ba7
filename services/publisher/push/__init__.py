"""Web Push: whom it may speak to, what it says, and what the answers of push services mean."""
