"""Actors of Dask that share an arena on their node: a table that is made once a node, and two permits to read it.

    python dask_readers.py --workers 4

Dask places the actors and carries what they are asked and answer. What belongs to the node, they settle in its memory:
one makes the table while the others sleep, and no more than two read at a time, however many workers there are. If a
worker is killed while it reads, the next takes its permit.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from distributed import Client, LocalCluster

from pyfutex.sync import Arena

TABLE = bytes(range(256)) * 4096


class Reader:
    """An actor, one in each worker."""

    def __init__(self, arena: str, table: str) -> None:
        self.arena = Arena.open(arena)  # whoever comes first makes it
        self.table = Path(table)
        self.permits = self.arena.semaphore("readers", 2, undo=True)
        self.has_made = self.arena.once("table").call(self._make)

    def _make(self) -> None:
        self.table.write_bytes(TABLE)  # if a maker is killed here, another begins anew

    def made(self) -> bool:
        return self.has_made

    def read(self, part: int, n_parts: int) -> tuple[int, float, float]:
        with self.permits:
            begun = monotonic()
            total = sum(self.table.read_bytes()[part::n_parts])
            return total, begun, monotonic()


def most_at_once(spans: list[tuple[float, float]]) -> int:
    events = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description="Actors of Dask that share an arena.")
    parser.add_argument("--workers", type=int, default=4, help="how many processes")
    n_workers = parser.parse_args().workers

    name = f"dask-readers-{os.getpid()}"
    cluster = LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    with TemporaryDirectory() as folder, Arena.create(name) as arena, cluster, Client(cluster) as client:
        try:
            workers = list(client.scheduler_info()["workers"])
            made = [
                client.submit(
                    Reader, name, os.path.join(folder, "table"), actor=True, workers=[worker], pure=False
                )
                for worker in workers
            ]
            readers = [future.result() for future in made]
            makers = sum(reader.made().result() for reader in readers)
            n_parts = 4 * n_workers
            asked = [readers[part % n_workers].read(part, n_parts) for part in range(n_parts)]
            answers = [future.result() for future in asked]
        finally:
            arena.unlink()  # nobody else does
    assert sum(total for total, _, _ in answers) == sum(TABLE)
    assert most_at_once([(begun, ended) for _, begun, ended in answers]) <= 2
    print(f"workers: {n_workers}, tables made: {makers}, parts read: {n_parts}, never more than 2 at a time")


if __name__ == "__main__":
    main()
