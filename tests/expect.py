"""What a test expects of a call: an errno, and the exception type that Python gives it."""

from contextlib import contextmanager

import pytest


@contextmanager
def oserror(number, kind=OSError):
    """Expect an OSError of exactly this errno; yields pytest's exception info.

    Parameters
    ----------
    number : int
        The errno.
    kind : type, optional
        A class the exception must belong to as well.
    """
    with pytest.raises(kind) as caught:
        yield caught
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == number, f"errno {caught.value.errno} in place of {number}: {caught.value}"
