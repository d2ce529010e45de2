from pyfutex.sync import Arena, OwnerDied

with Arena.open("example") as arena:  # made, if there is none
    try:
        arena.lock("db").acquire()  # everybody who asks for "db" gets this lock
    except OwnerDied:
        arena.lock("db").consistent()
    print(arena.names())
    arena.lock("db").release()
    arena.unlink()  # nobody else does
