"""docs/security.md names a test for each thing that one may rely on, and there are those tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_is_there(path, name):
    assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_each_claim_names_one():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 3]
    claims = [row for row in rows if not row.startswith("| One may rely on")]
    assert len(claims) > 25
    for row in claims:
        assert "::test_" in row.rsplit("|", 2)[1], row
