"""Key, KeyKind and Mappable: identity, equality, hashing."""

import os
import pickle

import pytest

from pyfutex import Key, KeyKind, Mappable


def test_key_kinds_are_numbered_as_documented():
    assert [(kind.name, kind.value) for kind in KeyKind] == [
        ("PRIVATE", 0),
        ("SHARED_PRIVATE", 1),
        ("SHARED_MAPPABLE", 2),
    ]


def test_key_tells_what_it_was_made_of():
    segment = Mappable("segment")
    key = Key(KeyKind.SHARED_MAPPABLE, 64, segment)
    assert (key.kind, key.offset, key.mappable) == (KeyKind.SHARED_MAPPABLE, 64, segment)
    assert isinstance(key.kind, KeyKind)
    assert Key(KeyKind.PRIVATE, 64).mappable is None


def test_keys_of_the_same_parts_are_equal_and_hash_alike():
    segment = Mappable("segment")
    for parts in (
        (KeyKind.PRIVATE, 64),
        (KeyKind.SHARED_PRIVATE, 64),
        (KeyKind.SHARED_MAPPABLE, 64, segment),
    ):
        assert Key(*parts) == Key(*parts)
        assert hash(Key(*parts)) == hash(Key(*parts))
        assert not Key(*parts) != Key(*parts)


def test_keys_that_differ_in_a_part_are_unequal():
    one, two = Mappable("segment"), Mappable("segment")
    keys = [
        Key(KeyKind.PRIVATE, 64),
        Key(KeyKind.PRIVATE, 68),
        Key(KeyKind.SHARED_PRIVATE, 64),
        Key(KeyKind.SHARED_MAPPABLE, 64, one),
        Key(KeyKind.SHARED_MAPPABLE, 68, one),
        Key(KeyKind.SHARED_MAPPABLE, 64, two),
    ]
    assert len(set(keys)) == len(keys)


def test_a_key_equals_nothing_but_a_key():
    key = Key(KeyKind.PRIVATE, 64)
    assert key != 64
    assert key != (KeyKind.PRIVATE, 64)
    assert key is not None


def test_a_key_cannot_be_changed():
    key = Key(KeyKind.PRIVATE, 64)
    for name in ("kind", "offset", "mappable", "other"):
        with pytest.raises(AttributeError):
            setattr(key, name, None)


def test_offsets_of_64_bits_are_kept():
    assert Key(KeyKind.PRIVATE, 2**64 - 4).offset == 2**64 - 4


@pytest.mark.parametrize("offset", [-1, 2**64, 2**100])
def test_key_refuses_an_offset_of_more_than_64_bits(offset):
    with pytest.raises(OverflowError):
        Key(KeyKind.PRIVATE, offset)


@pytest.mark.parametrize("offset", ["64", 64.0, None])
def test_key_refuses_an_offset_that_is_no_integer(offset):
    with pytest.raises(TypeError):
        Key(KeyKind.PRIVATE, offset)


@pytest.mark.parametrize("kind", [3, -1, 99])
def test_key_refuses_an_unknown_kind(kind):
    with pytest.raises(ValueError, match=r"(?i)kind"):
        Key(kind, 64)


def test_a_mappable_belongs_to_a_mappable_key_and_to_no_other():
    with pytest.raises((TypeError, ValueError)):
        Key(KeyKind.SHARED_MAPPABLE, 64)
    with pytest.raises((TypeError, ValueError)):
        Key(KeyKind.PRIVATE, 64, Mappable())
    with pytest.raises(TypeError):
        Key(KeyKind.SHARED_MAPPABLE, 64, "segment")


def test_mappables_are_equal_to_themselves_alone():
    one, two = Mappable("segment"), Mappable("segment")
    assert one == [one][0]
    assert one != two
    assert hash(one) == hash(one)
    assert len({one, two, one}) == 2
    assert one != "segment"


def test_a_mappable_has_a_name():
    assert Mappable("segment").name == "segment"
    assert Mappable(name="segment").name == "segment"
    assert Mappable().name == ""


def test_the_name_of_a_mappable_cannot_be_changed():
    with pytest.raises(AttributeError):
        Mappable("segment").name = "other"


@pytest.mark.parametrize("name", [5, None, b"segment"])
def test_a_mappable_refuses_a_name_that_is_no_text(name):
    with pytest.raises(TypeError):
        Mappable(name)


def test_mappable_of_one_file_is_one_object(tmp_path):
    path = tmp_path / "segment"
    path.touch()
    with path.open("rb") as one, path.open("rb") as two:
        mappable = Mappable.of(one.fileno())
        assert isinstance(mappable, Mappable)
        assert Mappable.of(two.fileno()) is mappable
        duplicate = os.dup(one.fileno())
        assert Mappable.of(duplicate) is mappable
        os.close(duplicate)


def test_mappable_of_two_files_is_two_objects(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    second.touch()
    with first.open("rb") as one, second.open("rb") as two:
        assert Mappable.of(one.fileno()) != Mappable.of(two.fileno())


def test_mappable_of_follows_a_hard_link(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    os.link(first, second)
    with first.open("rb") as one, second.open("rb") as two:
        assert Mappable.of(one.fileno()) is Mappable.of(two.fileno())


def test_mappable_of_a_closed_descriptor_is_an_oserror(tmp_path):
    path = tmp_path / "segment"
    path.touch()
    with path.open("rb") as file:
        closed = os.dup(file.fileno())
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Mappable.of(closed)


def test_mappable_of_refuses_what_is_no_descriptor():
    for thing in ("path", None, 1.5):
        with pytest.raises(TypeError):
            Mappable.of(thing)


def test_mappables_cannot_be_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(Mappable("segment"))


def test_keys_cannot_be_pickled():
    with pytest.raises(TypeError, match="identity of this process"):
        pickle.dumps(Key(KeyKind.PRIVATE, 64))


def test_a_mappable_says_its_name_or_number():
    assert repr(Mappable("segment")) == "<Mappable segment>"
    nameless = Mappable(), Mappable()
    assert len({repr(mappable) for mappable in nameless}) == 2
