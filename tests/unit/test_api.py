"""The public surface: its names, its signatures, which classes are final, what stays out."""

import inspect
import subprocess
import sys
import sysconfig
import time

import pytest

import pyfutex

NAMES = {
    "ALL",
    "ANY",
    "CLOCK_MONOTONIC",
    "CLOCK_REALTIME",
    "AddressSpace",
    "CompletionQueue",
    "Futex",
    "InvalidArgument",
    "Kernel",
    "KernelFutex",
    "Key",
    "KeyKind",
    "Manager",
    "Mappable",
    "Memory",
    "NativeTarget",
    "Region",
    "Requeued",
    "Target",
    "WaitItem",
    "WaitResult",
    "Waiter",
    "WaiterInfo",
    "WaiterState",
    "WakeItem",
    "WakeWait",
    "get_include",
}
FINAL = [
    "AddressSpace",
    "CompletionQueue",
    "Futex",
    "Kernel",
    "KernelFutex",
    "Key",
    "Manager",
    "Mappable",
    "Memory",
    "Waiter",
]
SIGNATURES = {
    "Manager.wait": "mem, addr, val, timeout=None, *, deadline=None, clock, bitset, private=None, size=4",
    "Manager.wake": "mem, addr, n=1, *, bitset, private=None, size=4",
    "Manager.requeue": "mem, addr, addr2, n_wake=1, n_requeue, *, mem2=None, private=None, size=4",
    "Manager.cmp_requeue": "mem, addr, addr2, val, n_wake=1, n_requeue, *, mem2=None, private=None, size=4",
    "Manager.wake_op": "mem, addr, addr2, op, n_wake=1, n_wake2=1, *, mem2=None, private=None, size=4",
    "Manager.wake_wait": (
        "mem, wake_addr, wait_addr, val, timeout=None, *, n=1, mem2=None, deadline=None, clock, private=None, size=4"
    ),
    "Manager.lock_pi": "mem, addr, timeout=None, *, tid=None, deadline=None, clock, private=None",
    "Manager.trylock_pi": "mem, addr, *, tid=None, private=None",
    "Manager.unlock_pi": "mem, addr, *, tid=None, private=None",
    "Manager.futex": "mem, addr, size=4",
    "Manager.wait_prepare": "w, mem, addr, val, *, bitset, priority=0, private=None, size=4",
    "Manager.waitv": "items, timeout=None, *, deadline=None, clock",
    "Manager.waitv_prepare": "w, items, *, priority=0",
    "Manager.lock_pi_prepare": "w, mem, addr, *, tid, priority=0, private=None",
    "Manager.wait_complete": "w",
    "Manager.fork": "",
    "Manager.close": "",
    "Manager.waiters": "mem=None, addr=None, *, size=4",
    "Manager.stats": "",
    "Kernel.wait": "mem, addr, val, timeout=None, *, deadline=None, clock, bitset, private=None, size=4",
    "Kernel.wake": "mem, addr, n=1, *, bitset, private=None, size=4",
    "Kernel.requeue": "mem, addr, addr2, n_wake=1, n_requeue, *, mem2=None, private=None, size=4",
    "Kernel.cmp_requeue": "mem, addr, addr2, val, n_wake=1, n_requeue, *, mem2=None, private=None, size=4",
    "Kernel.wake_op": "mem, addr, addr2, op, n_wake=1, n_wake2=1, *, mem2=None, private=None, size=4",
    "Kernel.wake_wait": (
        "mem, wake_addr, wait_addr, val, timeout=None, *, n=1, mem2=None, deadline=None, clock, private=None, size=4"
    ),
    "Kernel.waitv": "items, timeout=None, *, deadline=None, clock",
    "Kernel.lock_pi": "mem, addr, timeout=None, *, tid=None, deadline=None, clock, private=None",
    "Kernel.trylock_pi": "mem, addr, *, tid=None, private=None",
    "Kernel.unlock_pi": "mem, addr, *, tid=None, private=None",
    "Kernel.wait_requeue_pi": (
        "mem, addr, addr2, val, timeout=None, *, tid=None, deadline=None, clock, mem2=None, private=None"
    ),
    "Kernel.cmp_requeue_pi": "mem, addr, addr2, val, n_requeue, *, mem2=None, private=None",
    "Kernel.futex": "mem, addr",
    "KernelFutex.wait": "val, timeout=None, /",
    "KernelFutex.wake": "n=1, /",
    "KernelFutex.wake_wait": "other, val, timeout=None, /",
    "Waiter.wait": "timeout=None, *, deadline=None, clock",
    "Waiter.cancel": "",
    "Waiter.fileno": "",
    "CompletionQueue.fileno": "",
    "CompletionQueue.get": "timeout=None",
    "CompletionQueue.drain": "limit",
    "CompletionQueue.run": "limit",
    "CompletionQueue.empty": "",
    "AddressSpace.map": (
        "addr, memory, *, length=None, offset=0, mappable=None, mappable_offset=0, writable=True"
    ),
    "AddressSpace.unmap": "addr, length",
    "AddressSpace.fork": "copy=None",
    "AddressSpace.regions": "",
    "Mappable.of": "fileno",
    "Target.load": "addr, size=4, /",
    "Target.swap": "addr, new, size=4, /",
    "Target.compare_and_swap": "addr, old, new, size=4, /",
    "Target.shared_key": "addr, /",
    "Memory.store": "addr, value, /",
    "Memory.compare_exchange": "addr, expected, desired, /",
    "Memory.fetch_add": "addr, value, /",
    "Futex.load": "",
    "Futex.store": "value, /",
    "Futex.exchange": "value, /",
    "Futex.compare_exchange": "expected, desired, /",
    "Futex.fetch_add": "value=1, /",
    "Futex.wait": "val, timeout=None, /",
    "Futex.wake": "n=1, /",
    "Futex.wake_wait": "other, val, timeout=None, /",
}
CONSTANT_DEFAULTS = {"clock", "bitset", "n_requeue", "limit"}


def written(function):
    """The parameters as the table writes them: no self, no annotations, constants without their value."""
    parameters = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=inspect.Parameter.empty if parameter.name in CONSTANT_DEFAULTS else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    parts, kinds = [], [parameter.kind for parameter in parameters]
    for index, parameter in enumerate(parameters):
        before = kinds[index - 1] if index else None
        if before is parameter.POSITIONAL_ONLY is not parameter.kind:
            parts.append("/")
        if parameter.kind is parameter.KEYWORD_ONLY and before is not parameter.KEYWORD_ONLY:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        parts.append(parameter.name + default)
    if kinds and kinds[-1] is inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    return ", ".join(parts)


def test_all_names_what_is_public():
    assert set(pyfutex.__all__) == NAMES
    assert len(pyfutex.__all__) == len(NAMES)


def test_every_name_of_all_is_there():
    for name in pyfutex.__all__:
        assert getattr(pyfutex, name) is not None


def test_public_classes_say_where_they_live():
    for name in NAMES:
        thing = getattr(pyfutex, name)
        if inspect.isclass(thing):
            assert thing.__module__.partition(".")[0] == "pyfutex", name
            assert thing.__qualname__ == name


def test_constants_have_the_kernels_values():
    assert (pyfutex.ANY, pyfutex.ALL) == (0xFFFF_FFFF, 0x7FFF_FFFF)
    assert pyfutex.CLOCK_MONOTONIC == time.CLOCK_MONOTONIC
    assert pyfutex.CLOCK_REALTIME == time.CLOCK_REALTIME


def test_invalid_argument_is_an_oserror_and_a_value_error():
    assert issubclass(pyfutex.InvalidArgument, OSError)
    assert issubclass(pyfutex.InvalidArgument, ValueError)


@pytest.mark.parametrize("name", FINAL)
def test_final_classes_cannot_be_subclassed(name):
    with pytest.raises(TypeError):
        type("Sub", (getattr(pyfutex, name),), {})


def test_target_can_be_subclassed():
    assert issubclass(type("Sub", (pyfutex.Target,), {}), pyfutex.Target)


@pytest.mark.parametrize("name", FINAL)
def test_instances_take_no_new_attributes(name):
    made = {
        "Futex": lambda: pyfutex.Manager().futex(pyfutex.Memory(bytearray(8)), 0),
        "KernelFutex": lambda: pyfutex.Kernel().futex(pyfutex.Memory(bytearray(8)), 0),
        "Key": lambda: pyfutex.Key(pyfutex.KeyKind.PRIVATE, 0),
        "Memory": lambda: pyfutex.Memory(bytearray(8)),
    }.get(name, getattr(pyfutex, name))()
    with pytest.raises(AttributeError):
        made.surprise = 1


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_as_documented(name):
    owner, method = name.split(".")
    assert written(getattr(getattr(pyfutex, owner), method)) == SIGNATURES[name]


def test_named_tuples_have_their_fields():
    assert pyfutex.Requeued._fields == ("woken", "requeued")
    assert pyfutex.WakeWait._fields == ("woken", "result")
    assert pyfutex.WaitItem._fields == ("mem", "addr", "val", "private", "size")
    assert pyfutex.WaitItem._field_defaults == {"private": None, "size": 4}
    assert pyfutex.Region._fields == ("addr", "length", "memory", "offset", "mappable")
    assert pyfutex.WaiterInfo._fields == ("key", "kind", "bitset", "tid", "queued_for", "waiter")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_public_has_a_docstring(name):
    thing = getattr(pyfutex, name)
    if not callable(thing):
        return
    assert inspect.getdoc(thing), name
    for attribute, value in vars(thing).items():
        if not attribute.startswith("_") and callable(value) and name in FINAL:
            assert inspect.getdoc(getattr(thing, attribute)), f"{name}.{attribute}"


def test_profile_is_linux_6_18_by_default():
    assert pyfutex.Manager(profile="linux-6.18") is not None
    with pytest.raises(ValueError, match="profile"):
        pyfutex.Manager(profile="minix")


def test_import_does_not_import_asyncio():
    code = "import sys, pyfutex; assert 'asyncio' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_import_leaves_the_gil_as_it_was():
    code = (
        "import sys; enabled = getattr(sys, '_is_gil_enabled', bool); before = enabled(); "
        "import pyfutex; sys.exit(enabled() != before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="with a GIL they are counted")
@pytest.mark.parametrize("result", [*pyfutex.WaitResult, *pyfutex.WaiterState], ids=repr)
def test_results_that_all_threads_get_are_not_counted(result):
    before = sys.getrefcount(result)
    held = [result] * 100
    assert sys.getrefcount(held[0]) == before
