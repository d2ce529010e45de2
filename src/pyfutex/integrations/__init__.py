"""Adapters that put pyfutex behind the futex calls of other projects, each an optional extra of its own."""
