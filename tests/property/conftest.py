"""Property tests take longer than others: many examples, and minutes of shrinking where one fails."""

import fuzzing
import pytest


@pytest.fixture
def watchdog_seconds():
    """Enough to report the smallest example before the watchdog ends the process."""
    return fuzzing.seconds(900)
