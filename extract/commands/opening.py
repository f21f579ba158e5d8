"""What commands open first: the manifests, and a store that is there or may be made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cache.console import Options, log
from manifests.errors import UsageError

if TYPE_CHECKING:
    from cache.store import Store
    from manifests.catalogue import Catalogue


def open_catalogue(options: Options) -> Catalogue:
    """Return the manifests, the user's own among them."""
    from manifests.catalogue import load, user_folders

    return load(user_folders(options.manifests, os.environ))


def open_store(options: Options) -> Store:
    """Return the store.

    Raises
    ------
    UsageError
        When there is none.
    """
    from cache.store import Store, store_path

    return Store(store_path(options.store))


def create_store(options: Options) -> Store:
    """Return the store, made if there is none; then its path is logged."""
    from cache.store import Store, store_path

    store, new = Store.create(store_path(options.store))
    if new:
        log.info("created a store at %s", store.layout.root.resolve())
    return store


def at_least(least: int, **options: int | None) -> None:
    """Check numbers by the names of their options.

    Raises
    ------
    UsageError
        For a number below `least`.
    """
    for name, value in options.items():
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} expects a number from {least}, got {value}.")
