import errno

from pyfutex import Manager, Memory, Waiter


def resume(waiter: Waiter) -> None:
    print(f"{waiter.tag} goes on with {waiter.result} in its register")


manager = Manager()
guest_memory = Memory(bytearray(4096), base=0x7F00_0000)  # guest addresses, not offsets
addr = 0x7F00_0040

guest = Waiter(resume, tag="guest thread 7")
assert manager.wait_prepare(guest, guest_memory, addr, 0) is None  # None: queued, and nobody sleeps

guest_memory.store(addr, 1)
assert manager.wake(guest_memory, addr) == 1  # calls resume() before it returns

# The word holds 1 now. A guest that expects 0 gets its answer at once, as a system call would give it.
assert manager.wait_prepare(guest, guest_memory, addr, 0) == -errno.EAGAIN

# The engine has no timers: whoever owns the guest's clock gives up for it.
assert manager.wait_prepare(guest, guest_memory, addr, 1) is None
print("timed out" if guest.cancel() else "woken just in time")
