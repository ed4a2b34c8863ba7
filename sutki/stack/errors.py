"""What can go wrong with the stack, in words that say what to do."""


class StackError(Exception):
    """A part of the stack did not do what it had to; the message names the part and its log."""


class Unavailable(StackError):  # noqa: N818 — it is a condition of this machine, said as such
    """A part cannot be had on this machine. The message says what is missing and how to get it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InUse(StackError):  # noqa: N818 — it is a condition of this folder, said as such
    """Another stack holds the folder."""
