"""Serve the futex calls of Qiling guests: ``install(ql)`` before ``ql.run()``.

Qiling 1.4.6 answers FUTEX_WAIT and FUTEX_WAKE, without timeouts. After `install`, every operation is answered as Linux
would, timed waits end, robust and priority-inheritance mutexes are handed on when their owner dies, and a thread or a
process exits as on Linux. The extra ``pyfutex[qiling]`` brings Qiling; docs/qiling.md has what runs on it.
"""

from pyfutex.integrations.qiling.calls import Futexes, install
from pyfutex.integrations.qiling.table import Waiting, cycle

__all__ = ["Futexes", "Waiting", "cycle", "install"]
