"""White-box checks of pyfutex's core, as plain functions for tests/native to call."""
