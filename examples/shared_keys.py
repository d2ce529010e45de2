import mmap
import os

from pyfutex import Manager, Mappable, Memory, Waiter

fd = os.memfd_create("page")
os.ftruncate(fd, mmap.PAGESIZE)
page = Mappable.of(fd)  # the same object for the same file

# Two mappings of one file: the same bytes at two addresses.
here = Memory(mmap.mmap(fd, mmap.PAGESIZE), mappable=page)
there = Memory(mmap.mmap(fd, mmap.PAGESIZE), mappable=page)
assert here.host_address != there.host_address

manager = Manager()
waiter = Waiter()
assert manager.wait_prepare(waiter, here, 0, 0) is None
print(manager.wake(there, 0, private=True), "woken by address")
print(manager.wake(there, 0), "woken by page and offset")
os.close(fd)
