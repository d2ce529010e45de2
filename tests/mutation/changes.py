"""What may be changed in an expression or a statement of Cython: one operator, one constant, one call at a time."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ARITHMETIC: Final = {
    "+": "-",
    "-": "+",
    "|": "&",
    "&": "|",
    "<<": ">>",
    ">>": "<<",
    "+=": "-=",
    "-=": "+=",
    "|=": "&=",
    "&=": "|=",
}
WORDS: Final = {"and": "or", "or": "and", "True": "False", "False": "True"}
# Orders that x86 has instructions for. Those that it gives away are for the models to judge.
CALLS: Final = {
    "store_u32": "store_relaxed_u32",
    "store_u64": "store_relaxed_u64",
    "fetch_add_u32": "fetch_sub_u32",
    "fetch_sub_u32": "fetch_add_u32",
    "fetch_or_u32": "fetch_and_u32",
    "fetch_and_u32": "fetch_or_u32",
}
NUMBERS: Final = {"0": "1", "1": "0"}
OPERAND: Final = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
NOT_OPERANDS: Final = {"and", "or", "not", "in", "is", "if", "else", "return", "while", "elif"}


class Change(NamedTuple):
    """A piece of code after one change, and what the change is."""

    after: str
    what: str


def tokens_of(code: str) -> list[tokenize.TokenInfo]:
    """Those of one line; raises tokenize.TokenError where it is none by itself."""
    skipped = (
        tokenize.NEWLINE,
        tokenize.NL,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.COMMENT,
    )
    found = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token for token in found if token.type not in skipped]


def follows_operand(before: tokenize.TokenInfo | None) -> bool:
    """Whether an operator after this token is one of two operands: no sign, no cast, no address."""
    if before is None:
        return False
    if before.type in OPERAND:
        return before.string not in NOT_OPERANDS
    return before.string in (")", "]")


def changed(code: str, token: tokenize.TokenInfo, new: str) -> Change:
    """The code with one token replaced."""
    start, end = token.start[1], token.end[1]
    return Change(code[:start] + new + code[end:], f"{token.string} -> {new}")


def changes_within(code: str) -> Iterator[Change]:
    """Each change of one token."""
    before: tokenize.TokenInfo | None = None
    in_cast = False
    for token in tokens_of(code):
        text = token.string
        if text == "<" and not follows_operand(before):
            in_cast = True
        elif in_cast:
            in_cast = text != ">"
        elif token.type == tokenize.OP and follows_operand(before):
            new = COMPARISONS.get(text) or ARITHMETIC.get(text)
            if new:
                yield changed(code, token, new)
        elif token.type == tokenize.NAME and text in WORDS:
            yield changed(code, token, WORDS[text])
        elif token.type == tokenize.NAME and text in CALLS:
            yield changed(code, token, CALLS[text])
        elif token.type == tokenize.NUMBER and text in NUMBERS and (before is None or before.string != "["):
            yield changed(code, token, NUMBERS[text])
        before = token


def changes_of_condition(code: str) -> Iterator[Change]:
    """Those of what an `if` or a `while` asks; the opposite, where no comparison is in it to turn round."""
    found = list(changes_within(code))
    yield from found
    if not any(change.what.split()[0] in ("==", "!=") for change in found):
        yield Change(f"not ({code})", "the opposite")


def changes_of_statement(code: str) -> Iterator[Change]:
    """Those of an assignment, a call or a jump; and without it."""
    yield from changes_within(code)
    yield Change("pass", "left out")
