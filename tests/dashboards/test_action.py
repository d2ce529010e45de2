"""What github-action-benchmark gets beside the saved run itself."""

import json

import pytest
from dashboard.actionresults import main


def test_best_rounds_in_the_unit_by_direction(save_run, entry, tmp_path):
    run = save_run(
        {
            "a": entry("a", 40),
            "b": entry("b", 410, operations=1, unit="instructions"),
            "c": entry("c", 100, unit="calls/s", direction="higher"),
        }
    )
    smaller, bigger = tmp_path / "smaller.json", tmp_path / "bigger.json"
    assert main([str(run), str(smaller)]) == 0
    assert main([str(run), str(bigger), "--higher"]) == 0
    found = json.loads(smaller.read_text())
    assert [(row["name"], row["unit"], row["value"]) for row in found] == [
        ("a", "ns", pytest.approx(40)),
        ("b", "instructions", pytest.approx(410)),
    ]
    assert found[0]["range"] == "quartiles 40.8 to 44"
    assert [row["value"] for row in json.loads(bigger.read_text())] == [pytest.approx(120)]


def test_nothing_to_write_fails(save_run, tmp_path):
    assert main([str(save_run({})), str(tmp_path / "out.json")]) == 2
    assert main([str(tmp_path / "none.json"), str(tmp_path / "out.json")]) == 2
