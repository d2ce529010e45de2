"""Pool: the task of a worker that dies fails, and its pool goes on.

Each worker has a slot in shared memory that names the task it has. It is written before the task is taken out of the queue,
and wiped when the result is on its way: so no task is lost between the two.
"""

from __future__ import annotations

import multiprocessing.context as context
import struct
from multiprocessing import pool, process
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Self

from pyfutex.sync.errors import TornMessage, WorkerDied
from pyfutex.sync.processes.pages import allocate
from pyfutex.sync.processes.queues import SimpleQueue

if TYPE_CHECKING:
    import threading

# Of a task: the number of its job, counted from one, and its place in the job; 0: no task.
NAME = struct.Struct("=qq")


class TaskSlot:
    """Names the task that a worker has."""

    def __init__(self) -> None:
        self._place = allocate(NAME.size)

    def note(self, job: int, index: int) -> None:
        """Write a name in."""
        # A job that is there is whole: the process may be killed between the two.
        words = self._place.view(NAME.size).cast("q")
        words[0] = 0
        words[1] = index
        words[0] = job

    def task(self) -> tuple[int, int] | None:
        """The number of the job, counted from zero, and the place in it."""
        job, index = self._place.view(NAME.size).cast("q")
        return (job - 1, index) if job else None


class _QueueOfPool(SimpleQueue):
    """A queue of which each worker has a copy with its slot."""

    slot: TaskSlot | None = None

    def of_worker(self, slot: TaskSlot) -> Self:
        """The copy: both ends are the same."""
        copy = type(self).__new__(type(self))
        vars(copy).update(vars(self), slot=slot)
        return copy

    def __getstate__(self) -> Any:
        return self.slot, super().__getstate__()

    def __setstate__(self, state: Any) -> None:
        self.slot, rest = state
        super().__setstate__(rest)


class _Tasks(_QueueOfPool):
    """From the pool to its workers."""

    def put(self, obj: Any) -> None:
        job, index = (-1, 0) if obj is None else obj[:2]
        message = NAME.pack(job + 1, index) + bytes(ForkingPickler.dumps(obj))
        with self._wlock:
            self._writer.send_bytes(message)

    def get(self) -> Any:
        assert self.slot is not None
        with self._rlock:
            while True:
                try:
                    self.slot.note(*NAME.unpack(self._reader.peek_bytes(NAME.size)))
                    message = self._reader.recv_bytes()
                    break
                except TornMessage:
                    # Another worker began to take it, whose slot tells; or the pool gave it up, and knows.
                    self.slot.note(0, 0)
        return ForkingPickler.loads(memoryview(message)[NAME.size :])  # pyright: ignore[reportAttributeAccessIssue]


class _Results(_QueueOfPool):
    """From the workers to the pool."""

    def put(self, obj: Any) -> None:
        super().put(obj)
        if self.slot is not None:
            self.slot.note(0, 0)

    def take(self) -> Any:
        """As `get`, for the only thread that takes results."""
        while True:
            try:
                return self._reader.recv()
            except TornMessage:
                # Its worker's slot tells.
                continue


class PoolWorker(process.BaseProcess):
    """A worker, which tells when it is joined what task it died with."""

    _slot: TaskSlot | None = None

    def watch(self, slot: TaskSlot, results: _Results) -> None:
        """Where it notes its task, and where that it died is told."""
        self._slot, self._results = slot, results

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        task = self._slot.task() if self._slot is not None and self.exitcode is not None else None
        if task is not None:
            self._slot = None
            died = WorkerDied(
                f"the worker {self.name} ended with exit code {self.exitcode} in the middle of a task"
            )
            self._results.put((*task, (False, died)))

    def terminate(self) -> None:
        # The pool wants it to die, and nobody to be told.
        self._slot = None
        super().terminate()


class ForkPoolWorker(PoolWorker, context.ForkProcess):
    """A worker that is forked."""


class SpawnPoolWorker(PoolWorker, context.SpawnProcess):
    """A worker that is spawned."""


class ForkServerPoolWorker(PoolWorker, context.ForkServerProcess):
    """A worker that the fork server forks."""


WORKERS: dict[str, type[PoolWorker]] = {
    "fork": ForkPoolWorker,
    "spawn": SpawnPoolWorker,
    "forkserver": ForkServerPoolWorker,
}


class Pool(pool.Pool):
    """`multiprocessing.Pool`: where a worker dies, the task that it had fails with `WorkerDied`."""

    _ctx: context.BaseContext
    _processes: int

    def _setup_queues(self) -> None:
        self._inqueue = _Tasks(ctx=self._ctx)
        self._outqueue = _Results(ctx=self._ctx)
        self._quick_put = self._inqueue.put
        self._quick_get = self._outqueue.take

    def _map_async(
        self,
        func: Any,
        iterable: Any,
        mapper: Any,
        chunksize: int | None = None,
        *callbacks: Any,
        **options: Any,
    ) -> Any:
        if chunksize is None:
            # The base divides by how many workers there are, of which all may have been killed.
            iterable = iterable if hasattr(iterable, "__len__") else list(iterable)
            chunksize = -(-len(iterable) // (self._processes * 4))
        return super()._map_async(func, iterable, mapper, chunksize, *callbacks, **options)  # type: ignore[misc]

    @staticmethod
    def Process(ctx: context.DefaultContext, *args: Any, **kwds: Any) -> Any:
        slot = TaskSlot()
        tasks, results, *rest = kwds["args"]
        kwds["args"] = tasks.of_worker(slot), results.of_worker(slot), *rest
        worker = WORKERS[ctx.get_start_method()](*args, **kwds)
        worker.watch(slot, results)
        return worker

    @staticmethod
    def _help_stuff_finish(inqueue: _Tasks, task_handler: threading.Thread, size: int) -> None:
        # The lock stays held, so that no worker takes another task.
        inqueue._rlock.acquire()
        while task_handler.is_alive() and inqueue._reader.poll():
            try:
                inqueue._reader.recv_bytes()
            except TornMessage:
                continue

    @classmethod
    def _terminate_pool(cls, taskqueue: Any, inqueue: _Tasks, *rest: Any) -> None:
        try:
            super()._terminate_pool(taskqueue, inqueue, *rest)  # type: ignore[misc]
        finally:
            while inqueue._rlock.shared._recursion_count():
                inqueue._rlock.release()
