"""The forecast in the journal (C4): due with every mark, computed in rounds, told when its headline changes."""
