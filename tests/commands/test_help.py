"""``python -m pyfutex --help``, and that of each command: it says what it is for, and shows calls that work."""

import argparse
import re
import shlex
import subprocess
import sys

import pytest

from pyfutex.__main__ import _parser, main


def commands(parser):
    """All that a parser can run, with the words that lead there."""
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for child in group.choices.values():
            yield from commands(child)


COMMANDS = {each.prog.removeprefix("python -m pyfutex "): each for each in commands(_parser())}


def examples(text):
    """The calls that a help shows."""
    return [
        shlex.split(line) for line in re.findall(r"^  python -m pyfutex (.+?)(?:  |$)", text, re.MULTILINE)
    ]


def test_without_arguments_the_help_is_shown_and_all_is_well():
    bare = subprocess.run([sys.executable, "-m", "pyfutex"], capture_output=True, text=True)
    asked = subprocess.run([sys.executable, "-m", "pyfutex", "--help"], capture_output=True, text=True)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert bare.stdout == asked.stdout


def test_the_help_has_an_example_of_every_command(capsys):
    assert main([]) == 0
    shown = [" ".join(words) for words in examples(capsys.readouterr().out)]
    for command in COMMANDS:
        assert any(line.startswith(command) for line in shown), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for_and_shows_calls_that_it_takes(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert text.index("\n\n") < text.index("options:")
    assert 1 <= len(examples(text)) <= 3
    for words in examples(text):
        assert _parser().parse_args(words).run


def test_no_line_of_a_help_is_wider_than_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    for command in ["", *COMMANDS]:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
