"""Nothing: what it takes to load a compiled module at all."""
