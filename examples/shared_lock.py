import mmap

from pyfutex.sync import Lock

with open("turns", "a+b") as file:  # any program that opens this file shares what is in it
    file.truncate(4096)
    memory = mmap.mmap(file.fileno(), 4096)
lock = Lock.attach(memory)  # zero bytes are a free lock: nobody has to be first
turns = memoryview(memory)[64:72].cast("q")
with lock:
    turns[0] += 1
    print("turn", turns[0])
