"""``python -m pyfutex inspect``: looking into an arena, or at a primitive in a file, from outside."""
