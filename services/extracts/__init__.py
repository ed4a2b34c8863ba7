"""Paper: extracts for families that electronic channels do not reach, the print queue and the hand-over register."""
