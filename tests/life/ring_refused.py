"""Not a test of the suite: what test_refused_calls asks where io_uring is refused."""

import asyncio
import errno

import pytest

from pyfutex import Memory, WaitResult, doctor
from pyfutex.aio import Words, why_no_ring


def test_it_is_refused():
    assert why_no_ring().errno in {errno.ENOSYS, errno.EPERM}


def test_threads_wait_instead():
    async def body():
        with pytest.raises(OSError):
            Words(io_uring=True)
        words = Words.running()
        assert words.engine == "futex_waitv"
        assert await words.wait(Memory(bytearray(4)), 0, 0, 0.001) is WaitResult.TIMEOUT
        assert words.threads == 1

    asyncio.run(body())


def test_the_doctor_says_so():
    (finding,) = [each for each in doctor.examine() if each.subject == "awaited words"]
    assert finding.verdict is doctor.Verdict.LESS
    assert "no io_uring" in finding.said
