"""The two ways in which work fails without a bug: the item is bad, or the settings are."""

from __future__ import annotations


class ItemError(Exception):
    """Base of every error that one item causes: it fails that item and no other.

    A workload declares its own errors below this class; anything else that is raised is a bug and propagates.
    """


class ObjectNotFound(ItemError):
    """The store holds no object under this key."""


class InvalidKey(ItemError):
    """The key is empty, absolute, or leads out of its store."""


class BadSettings(ValueError):
    """An environment variable or a workload setting is missing or out of range: nothing can run."""
