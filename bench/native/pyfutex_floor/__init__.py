"""Floors of the pyfutex benchmarks: empty methods, minimal C loops, and loops over the engine without the GIL."""
