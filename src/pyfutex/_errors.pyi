class InvalidArgument(OSError, ValueError):
    woken: int
    requeued: int
