"""The header, the table behind the capsule and the .pxd say the same."""

import re
from pathlib import Path

import pytest
from capi.capi import FUNCTIONS

import pyfutex

HEADER = Path(pyfutex.get_include(), "pyfutex.h").read_text(encoding="utf-8")
PXD = (Path(pyfutex.__file__).parent / "cyfutex.pxd").read_text(encoding="utf-8")
BODY = HEADER[HEADER.index("typedef struct pyfutex_api") : HEADER.index("} pyfutex_api;")]


def test_slots_are_numbered_in_their_order():
    numbers = [int(number) for number in re.findall(r"/\* (\d+)\. ", BODY)]
    assert numbers == list(range(len(FUNCTIONS)))
    assert re.findall(r"\(\*(\w+)\)\(", BODY) == list(FUNCTIONS)


def test_the_header_knows_as_many_as_there_are(api):
    assert re.search(r"#define PYFUTEX_SLOTS (\d+)", HEADER)[1] == str(api.n_slots) == str(len(FUNCTIONS))
    assert re.search(r"#define PYFUTEX_ABI (\d+)", HEADER)[1] == str(api.abi)


def test_cython_has_the_same_functions():
    functions = set(re.findall(r"^cdef (?:const )?[\w ]+?[ *](\w+)\(", PXD, flags=re.MULTILINE))
    assert functions - {"abi", "n_slots", "import_pyfutex"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["manager_of", "target_of", "mappable_of"])
def test_what_is_no_such_object_is_a_type_error(api, name):
    with pytest.raises(TypeError):
        getattr(api, name)(object())


def test_a_python_target_is_refused(api):
    with pytest.raises(TypeError):
        api.target_of(pyfutex.Target())
