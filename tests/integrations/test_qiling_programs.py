"""Static programs do on Qiling with pyfutex what they do natively."""

import pytest

from pyfutex.sidebyside.runs import Kind, Outcome, run_native, run_on_qiling

PROGRAMS = ["barrier", "bitset", "condition", "deadlines", "inherit", "leave", "mutex", "requeue", "robust"]
COMPILERS = ["gcc", "musl-gcc", "arm-linux-gnueabi-gcc", "mips-linux-gnu-gcc", "mipsel-linux-gnu-gcc"]
ENDLESS_SECONDS = 3
# On Qiling 1.4.6 a thread of an ARM program may find itself to be another: it marks a lock that it takes with that one's id,
# and may then not unlock it.
WRONG_THREAD = {("inherit", "arm-linux-gnueabi-gcc"), ("robust", "arm-linux-gnueabi-gcc")}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_native(request, build, name, compiler):
    if (name, compiler) in WRONG_THREAD:
        request.applymarker(
            pytest.mark.xfail(reason="Qiling mixes up an ARM program's threads", strict=False)
        )
    program = build(name, compiler)
    native = run_native(program, [], ENDLESS_SECONDS)
    if native.outcome is not Outcome.FINISHED:
        # Through qemu, which knows no robust lists, or not at all. The programs print the same everywhere.
        native = run_native(build(name, "gcc"), [], 20)
    ours = run_on_qiling(Kind.PYFUTEX, program, [], 60)
    assert ours.error == ""
    assert ours.outcome is Outcome.FINISHED
    assert (ours.output, ours.exit_status) == (native.output, native.exit_status)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_deadlock_is_noticed_and_its_threads_named(build, compiler):
    program = build("deadlock", compiler)
    ours = run_on_qiling(Kind.PYFUTEX, program, [], 60)
    assert ours.outcome is Outcome.BLOCKED
    assert len(ours.waiting) >= 2
