"""Static programs do on Qiling with pyfutex what they do natively."""

import pytest

from pyfutex.sidebyside.runs import Kind, Outcome, run_native, run_on_qiling

PROGRAMS = ["barrier", "bitset", "condition", "deadlines", "inherit", "leave", "mutex", "requeue", "robust"]
COMPILERS = ["gcc", "musl-gcc", "arm-linux-gnueabi-gcc", "mips-linux-gnu-gcc", "mipsel-linux-gnu-gcc"]
ENDLESS_SECONDS = 3


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_native(build, name, compiler):
    program = build(name, compiler)
    native = run_native(program, [], 20)
    ours = run_on_qiling(Kind.PYFUTEX, program, [], 60)
    assert ours.error == ""
    assert ours.outcome is Outcome.FINISHED
    if native.outcome is Outcome.IMPOSSIBLE:
        assert ours.exit_status == 0
    else:
        assert (ours.output, ours.exit_status) == (native.output, native.exit_status)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_deadlock_is_noticed_and_its_threads_named(build, compiler):
    program = build("deadlock", compiler)
    native = run_native(program, [], ENDLESS_SECONDS)
    ours = run_on_qiling(Kind.PYFUTEX, program, [], 60)
    assert ours.outcome is Outcome.BLOCKED
    if native.outcome is not Outcome.IMPOSSIBLE:
        assert native.outcome is Outcome.TIME_LIMIT
        assert ours.output == native.output
    assert len(ours.waiting) >= 2
