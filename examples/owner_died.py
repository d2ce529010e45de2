import mmap
import os

from pyfutex.sync import Lock, OwnerDied

memory = mmap.mmap(-1, 4096)  # the children of a fork share it
lock = Lock.create(memory)
numbers = memoryview(memory)[64:80].cast("q")  # two that are equal whenever nobody has the lock

if os.fork() == 0:
    lock.acquire()
    numbers[0] += 1
    os._exit(0)  # or SIGKILL, an exception, exec: it ends with the lock

os.wait()
try:
    lock.acquire()
except OwnerDied:  # the lock is held now, and whoever had it before has died with it
    print("found", *numbers)
    numbers[1] = numbers[0]  # make good what was left half done
    lock.consistent()
print("left", *numbers)
lock.release()
