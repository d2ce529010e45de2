"""Who waited for whom, and how long: the waits and wakes of a process, as a trace that Perfetto shows.

Layers, lowest first::

    records       what was recorded, and which wake ended which wait
    labels        what words and threads are called
    events        all that as Trace Events
    recording     Recording: begins, ends, saves
    command       ``python -m pyfutex trace``
"""

from pyfutex.tracing.events import Wait
from pyfutex.tracing.recording import Recording

__all__ = ["Recording", "Wait"]
