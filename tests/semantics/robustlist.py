"""Robust lists in the memory of a guest, as a C library of 64 bits makes them."""

from semantics.process import BASE

from pyfutex.linux import set_robust_list

HEAD = BASE + 3072
NODES = BASE + 4096
NODE_SIZE = 32
FUTEX_OFFSET = 8  # of a futex word, from its node


class RobustList:
    """The list of one task; its nodes lie in the second page, `first` is the number of the first one.

    Parameters
    ----------
    process : Process
    task : Task
    n : int
        How many nodes it has; each is followed by the next, the last by the head.
    """

    def __init__(self, process, task, n=1, first=0, head=HEAD):
        self.process = process
        self.task = task
        self.head = head
        self.nodes = [NODES + NODE_SIZE * (first + i) for i in range(n)]
        for node, following in zip([head, *self.nodes], [*self.nodes, head], strict=True):
            process.store64(node, following)
        process.store64(head + 8, FUTEX_OFFSET, 0)
        assert set_robust_list(task, head, 24) == 0

    def word(self, i=0):
        """Address of the futex word of a node."""
        return self.nodes[i] + FUTEX_OFFSET

    def link(self, node, following):
        """Have `following` come after `node`; bit 0 says that it is a PI lock."""
        self.process.store64(node, following)

    def pending(self, node):
        """Say that an operation on this node was going on."""
        self.process.store64(self.head + 16, node)
