"""What goes wrong, by who has to do something about it."""

from __future__ import annotations


class Refused(Exception):
    """A declaration is refused: such rows, or such a configuration, cannot be taken.

    Raise it while an operator is declared; its text is for the person who wrote the job.
    """


class EndOfPartition(Exception):
    """A source's partition is complete: there is no row at this offset, and there never will be."""


class Fenced(Exception):
    """A sink's lane belongs to another owner, who took it over since, or has a higher epoch."""


class OutputError(Exception):
    """What an operator gave is not what it declared."""


class WireError(Exception):
    """Bytes or requests from the other side make no sense."""
