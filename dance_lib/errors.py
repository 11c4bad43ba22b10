"""Mistakes of the person at the keyboard, told in one line and without a traceback."""


class DanceError(ValueError):
    """What was asked for cannot be done; the message says why, and how to mend it, in one line."""
