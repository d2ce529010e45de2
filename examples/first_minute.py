import mmap
import threading
import time

from pyfutex import ALL, Manager, Memory

manager = Manager()
memory = Memory(mmap.mmap(-1, mmap.PAGESIZE))  # any writable buffer will do
ready = manager.futex(memory, 0)  # the futex word at offset 0; it holds 0


def worker() -> None:
    while ready.load() == 0:  # test the state,
        ready.wait(0)  # and sleep only if the word still holds 0


workers = [threading.Thread(target=worker) for _ in range(3)]
for thread in workers:
    thread.start()
while len(manager) < 3:  # the manager knows who sleeps
    time.sleep(0.001)
print(len(manager), "threads asleep")

ready.store(1)  # change the state first,
print(ready.wake(ALL), "threads woken")  # then wake
for thread in workers:
    thread.join()
