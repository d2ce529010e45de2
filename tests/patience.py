"""How long a test, and a child of one, may take until something is wrong: as PYFUTEX_TEST_WATCHDOG says."""

import os

WATCHDOG_SECONDS = float(os.environ.get("PYFUTEX_TEST_WATCHDOG", "60"))
CHILD_SECONDS = int(max(50, WATCHDOG_SECONDS * 5 / 6))  # whole ones, for alarm(2)
