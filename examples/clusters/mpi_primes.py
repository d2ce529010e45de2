"""Primes counted by several nodes: ranks of one node meet on words of its shared window, the nodes meet by MPI.

    mpiexec -n 4 python mpi_primes.py              the nodes that there are
    mpiexec -n 4 python mpi_primes.py --nodes 2    two that are made up, on one machine

Within a node nothing goes by MPI: whoever is free takes the next piece of work by adding to a word, the sums are added
under a lock, and who is done early sleeps at a barrier, without using a processor, which a barrier of MPI would.
"""

import argparse
from math import isqrt

from mpi4py import MPI

from pyfutex import Memory
from pyfutex.sync import Barrier, Lock

# What is where in a node's window.
LOCK = 0
NEXT = 64  # u32: the first number of the node's share that nobody has taken
TOTAL = 72  # i64, under the lock: primes of the node; at the end, of all nodes
BARRIER = 128

PIECE = 500


def primes_in(first: int, end: int) -> int:
    return sum(all(n % d for d in range(2, isqrt(n) + 1)) for n in range(max(first, 2), end))


def on_this_node(world: MPI.Intracomm, n_nodes: int) -> MPI.Intracomm:
    """The ranks that share memory with this one, or this one's part of so many made-up nodes."""
    node = world.Split_type(MPI.COMM_TYPE_SHARED)
    if n_nodes and node.size < world.size:
        raise SystemExit("--nodes makes up nodes on one machine, and these are several")
    return world.Split(world.rank % n_nodes, world.rank) if n_nodes else node


def main() -> None:
    parser = argparse.ArgumentParser(description="Primes counted by the ranks of several nodes.")
    parser.add_argument("--below", type=int, default=20_000, help="count those below this number")
    parser.add_argument("--nodes", type=int, default=0, help="make up so many nodes")
    options = parser.parse_args()

    world = MPI.COMM_WORLD
    node = on_this_node(world, options.nodes)
    is_leader = node.rank == 0
    leaders = world.Split(0 if is_leader else 1, world.rank)
    index, n_nodes = node.bcast((leaders.rank, leaders.size))

    window = MPI.Win.Allocate_shared(128 + Barrier.size(node.size) if is_leader else 0, comm=node)
    memory = memoryview(window.Shared_query(0)[0])
    words = Memory(memory)
    total = memory[TOTAL : TOTAL + 8].cast("q")
    end = options.below * (index + 1) // n_nodes
    if is_leader:
        memory[:] = bytes(len(memory))  # MPI does not
        words.store(NEXT, options.below * index // n_nodes)
        Lock.create(memory, LOCK)
        Barrier.create(memory, BARRIER, parties=node.size)
    node.Barrier()  # before this nothing is in the window, and there is nothing to meet on
    lock = Lock.attach(memory, LOCK)
    barrier = Barrier.attach(memory, BARRIER)

    n_pieces = 0
    while (first := words.fetch_add(NEXT, PIECE)) < end:
        found = primes_in(first, min(first + PIECE, end))
        n_pieces += 1
        with lock:
            total[0] += found
    barrier.wait()
    if is_leader:
        total[0] = leaders.allreduce(total[0])  # between nodes there are messages only
    barrier.wait()

    pieces = world.gather(n_pieces)
    if world.rank == 0:
        print(
            f"{total[0]} primes below {options.below}, nodes: {n_nodes}, ranks: {world.size}, pieces: {sum(pieces)}"
        )
    window.Free()  # after the last use: unlike other memory, a window is unmapped under who still has it


if __name__ == "__main__":
    main()
