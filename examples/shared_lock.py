from multiprocessing import shared_memory

from pyfutex.sync import Lock, OwnerDied

memory = shared_memory.SharedMemory(create=True, size=4096)  # others: SharedMemory(memory.name)
lock = Lock.attach(memory.buf, 0)  # zero bytes are a free lock: nobody has to be first
total = memory.buf[64:72].cast("q")

try:
    lock.acquire()
except OwnerDied:  # held now; its last owner died with it
    total[0] = max(total[0], 0)  # make good what it left half done
    lock.consistent()
total[0] += 1
lock.release()
print(total[0])

total.release()
del lock  # the last user of the memory may close it now
memory.close()
memory.unlink()
