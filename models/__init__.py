"""Models of the protocols that pyfutex rests on, and what checks them: `python -m models`, docs/trust.md."""
