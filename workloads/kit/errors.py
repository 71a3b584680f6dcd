"""The ways to fail without a bug: the item is bad, the settings are, or there is nothing to work on."""

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


class CorpusUnavailable(Exception):
    """No corpus can be had; the message says why and what to do."""
