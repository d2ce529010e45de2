"""Runs one script in every world and holds the answers against the kernel's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from differential import kernel
from differential.kernelworld import KernelWorld
from differential.managerworlds import MANAGER_WORLDS
from differential.worlds import World

Script = Callable[[World], Any]


def run_in(make_world: type[World], script: Script) -> Any:
    """Run `script` in a fresh world."""
    world = make_world()
    try:
        return script(world)
    finally:
        world.close()


@pytest.fixture
def agree() -> Callable[[Script], Any]:
    """Return a function that runs a script in all worlds, asserts that they agree, and returns the answer."""
    if not kernel.usable():
        pytest.skip("no futex(2) that can be watched on this machine")

    def check(script: Script) -> Any:
        expected = run_in(KernelWorld, script)
        for make_world in MANAGER_WORLDS:
            assert run_in(make_world, script) == expected, f"{make_world.__name__} differs from the kernel"
        return expected

    return check
