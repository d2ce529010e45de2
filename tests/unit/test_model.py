"""The oracle's own arithmetic, against values that a Linux kernel was seen to answer."""

import pytest
from model import apply_op, compare_op, encode_op, signed


@pytest.mark.parametrize(
    ("op", "oparg", "old", "new"),
    [
        (0, 0xFFF, 7, 0xFFFF_FFFF),
        (1, 0xFFF, 7, 6),
        (1, 1, 0xFFFF_FFFF, 0),
        (2, 5, 8, 13),
        (3, 5, 13, 8),
        (4, 5, 13, 8),
        (8, 0x20, 7, 1),
        (8, 0x3F, 7, 1 << 31),
        (8, 0x800, 7, 1),
        (8, 0xFE1, 7, 2),
    ],
)
def test_apply_op_computes_what_the_kernel_computes(op, oparg, old, new):
    assert apply_op(encode_op(op, oparg, 0, 0), old) == new


@pytest.mark.parametrize("op", [5, 6, 7, 13, 14, 15])
def test_apply_op_knows_five_operations(op):
    assert apply_op(encode_op(op, 1, 0, 0), 7) is None


@pytest.mark.parametrize(
    ("cmp", "cmparg", "old", "passes"),
    [
        (2, 0, 0xFFFF_FFFF, True),
        (3, 0, 0x8000_0000, True),
        (0, 0xFFF, 0xFFF, False),
        (0, 0xFFF, 0xFFFF_FFFF, True),
        (1, 1, 2, True),
        (4, 1, 2, True),
        (5, 2, 2, True),
    ],
)
def test_compare_op_is_signed(cmp, cmparg, old, passes):
    assert compare_op(encode_op(0, 0, cmp, cmparg), old) is passes


@pytest.mark.parametrize("cmp", range(6, 16))
def test_compare_op_knows_six_comparisons(cmp):
    assert compare_op(encode_op(0, 0, cmp, 0), 0) is None


def test_signed_reads_the_sign_bit():
    assert signed(0x7FF, 12) == 2047
    assert signed(0x800, 12) == -2048
