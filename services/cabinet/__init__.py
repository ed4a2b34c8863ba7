"""The web for families: what they may see, as soon as they may see it, and the proof that they could."""
