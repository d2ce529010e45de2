"""Searches of models in processes of their own."""

import pytest


@pytest.fixture
def watchdog_seconds():
    """A search takes a second, but as many of a busy machine as it will."""
    return 300
