"""The atomic operations of Memory on 32-bit and 64-bit cells."""

import threading

import pytest

from pyfutex import Memory

OPERATIONS = {
    "fetch_add": lambda old, value: old + value,
    "fetch_sub": lambda old, value: old - value,
    "fetch_and": lambda old, value: old & value,
    "fetch_or": lambda old, value: old | value,
    "fetch_xor": lambda old, value: old ^ value,
}


class Cell:
    """The operations of one width, without their suffix."""

    def __init__(self, width):
        self.width = width
        self.modulus = 1 << 8 * width
        self.mem = Memory(bytearray(64))
        self._suffix = "" if width == 4 else "64"

    def __getattr__(self, name):
        return getattr(self.mem, name + self._suffix)


@pytest.fixture(params=[4, 8], ids=["32", "64"])
def cell(request):
    """Cells of 4 and of 8 bytes, in a memory of zeroes."""
    return Cell(request.param)


def test_store_then_load(cell):
    for value in (0, 1, cell.modulus // 2, cell.modulus - 1):
        assert cell.store(8, value) is None
        assert cell.load(8) == value


def test_store_touches_its_own_bytes_alone(cell):
    cell.store(8, cell.modulus - 1)
    expected = bytes(8) + b"\xff" * cell.width + bytes(56 - cell.width)
    assert bytes(cell.mem.obj) == expected


def test_exchange_gives_the_previous_value(cell):
    cell.store(8, 5)
    assert cell.exchange(8, 6) == 5
    assert cell.load(8) == 6


def test_compare_exchange_changes_where_the_value_is_expected(cell):
    cell.store(8, 5)
    assert cell.compare_exchange(8, 5, 6) is True
    assert cell.load(8) == 6


def test_compare_exchange_leaves_another_value(cell):
    cell.store(8, 5)
    assert cell.compare_exchange(8, 4, 6) is False
    assert cell.load(8) == 5


def test_compare_exchange_compares_every_bit(cell):
    cell.store(8, cell.modulus - 1)
    assert cell.compare_exchange(8, cell.modulus // 2 - 1, 0) is False
    assert cell.compare_exchange(8, cell.modulus - 1, 0) is True


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("old", "value"), [(12, 10), (10, 12), (0, 1), (0xFFFF_FFFF, 1), (0, 0)])
def test_fetch_operations_give_the_old_value_and_store_the_new(cell, name, old, value):
    cell.store(8, old)
    assert getattr(cell, name)(8, value) == old
    assert cell.load(8) == OPERATIONS[name](old, value) % cell.modulus


def test_fetch_add_wraps_around(cell):
    cell.store(8, cell.modulus - 1)
    assert cell.fetch_add(8, 2) == cell.modulus - 1
    assert cell.load(8) == 1


def test_fetch_sub_wraps_around(cell):
    assert cell.fetch_sub(8, 1) == 0
    assert cell.load(8) == cell.modulus - 1


def test_fetch_add_of_a_negative_value_subtracts(cell):
    cell.store(8, 10)
    assert cell.fetch_add(8, -3) == 10
    assert cell.load(8) == 7
    assert cell.fetch_add(8, -8) == 7
    assert cell.load(8) == cell.modulus - 1


def test_fetch_sub_of_a_negative_value_adds(cell):
    cell.store(8, cell.modulus - 1)
    assert cell.fetch_sub(8, -2) == cell.modulus - 1
    assert cell.load(8) == 1


def test_fetch_add_of_the_largest_value(cell):
    cell.store(8, 5)
    assert cell.fetch_add(8, cell.modulus - 1) == 5
    assert cell.load(8) == 4


@pytest.mark.parametrize("name", ["store", "exchange"])
def test_values_of_more_bits_than_the_cell_overflow(cell, name):
    for value in (-1, cell.modulus, 2**100):
        with pytest.raises(OverflowError):
            getattr(cell, name)(8, value)
    assert cell.load(8) == 0


def test_compare_exchange_refuses_values_of_more_bits(cell):
    for value in (-1, cell.modulus, 2**100):
        with pytest.raises(OverflowError):
            cell.compare_exchange(8, value, 0)
        with pytest.raises(OverflowError):
            cell.compare_exchange(8, 0, value)
    assert cell.load(8) == 0


@pytest.mark.parametrize("name", ["load", "store", "exchange", "compare_exchange", *OPERATIONS])
@pytest.mark.parametrize("thing", [1.0, "1", None, b"1", object()])
def test_what_is_no_integer_is_a_type_error(cell, name, thing):
    extra = {"load": 0, "compare_exchange": 2}.get(name, 1)
    call = getattr(cell, name)
    with pytest.raises(TypeError):
        call(thing, *[0] * extra)
    for index in range(extra):
        with pytest.raises(TypeError):
            call(8, *[thing if index == at else 0 for at in range(extra)])


def test_the_target_interface_loads_and_swaps(cell):
    mem, width = cell.mem, cell.width
    cell.store(8, 5)
    assert mem.load(8, width) == 5
    assert mem.swap(8, 6, width) == 5
    assert mem.compare_and_swap(8, 5, 7, width) == 6
    assert mem.compare_and_swap(8, 6, 7, width) == 6
    assert cell.load(8) == 7


def test_fetch_add_loses_nothing_among_threads(cell, spawn):
    start = threading.Barrier(4)

    def count():
        start.wait()
        for _ in range(2000):
            cell.fetch_add(8, 1)

    for running in [spawn(count) for _ in range(4)]:
        running.result()
    assert cell.load(8) == 8000


def test_compare_exchange_loses_nothing_among_threads(cell, spawn):
    def count():
        for _ in range(500):
            seen = cell.load(8)
            while not cell.compare_exchange(8, seen, seen + 1):
                seen = cell.load(8)

    for running in [spawn(count) for _ in range(4)]:
        running.result()
    assert cell.load(8) == 2000
