"""Leaving out single tests of others, with a reason that is printed."""

from __future__ import annotations

import unittest


def excuse(namespace, reasons):
    """Skip tests.

    Parameters
    ----------
    namespace : dict
        Of the module with their classes.
    reasons : dict of str to str
        Why each cannot pass, by ``"Class.test"``. Not every interpreter has each.
    """
    for name, reason in reasons.items():
        cls, _, test = name.partition(".")
        if cls in namespace and hasattr(namespace[cls], test):
            setattr(namespace[cls], test, unittest.skip(reason)(getattr(namespace[cls], test)))
