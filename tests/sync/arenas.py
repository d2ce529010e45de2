"""Programs that share an arena with a test."""

from __future__ import annotations

from sync.programs import Program

# Of every program: `meet` tells the test that the program got there, and waits until the test says go on.
PRELUDE = """
import os, signal, sys, threading
from pyfutex.sync import Arena, NotRecoverable, OwnerDied

def meet():
    print("here", flush=True)
    sys.stdin.readline()
"""
OPEN = "\narena = Arena.open(sys.argv[1])\n"


def in_arena(path, body):
    """A program that has the arena at a path as `arena`."""
    return Program(body, path, prelude=PRELUDE + OPEN)
