"""What can be wrong with a store, each with its documented exit code."""

from __future__ import annotations

from manifests.errors import AssayError, UsageError

__all__ = ["AssayError", "FailedItemsError", "FormatVersionError", "IncompleteError", "IntegrityError", "UsageError"]


class IncompleteError(AssayError):
    """Asked for, but not (wholly) in this store."""

    exit_code = 3


class IntegrityError(AssayError):
    """Something that is referred to is missing, unreadable, or unequal to its digest."""

    exit_code = 4


class FailedItemsError(AssayError):
    """The work ended, but some items could not be read."""

    exit_code = 5


class FormatVersionError(AssayError):
    """The store was written by another version of the format."""

    exit_code = 6
