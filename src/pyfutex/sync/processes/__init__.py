"""Contexts of multiprocessing whose primitives are those of pyfutex.sync: see `pyfutex.sync.get_context`."""
