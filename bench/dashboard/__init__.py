"""What becomes of a run of the benchmarks: where it came from, how it compares, where else it goes, what it looks like."""
