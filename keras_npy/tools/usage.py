"""`UsageError`: what a user typed is wrong, whatever the data."""


class UsageError(ValueError):
    """A wrong use of the command, which ends with exit status 2."""
