"""Mistakes that the protocol could be built with, planted by name."""

import contextlib


@contextlib.contextmanager
def planted(name):
    """Have the mistake *name* in the product; '' is none."""
    assert not name
    yield
