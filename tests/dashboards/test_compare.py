"""The comparison of two runs, and its exit status."""

import json

import pytest
from dashboard.compare import main


def compare(*arguments):
    return main([str(argument) for argument in arguments])


def test_nothing_worse_is_success(save_run, capsys):
    assert compare(save_run({"a": 100, "b": 10}), save_run({"a": 104.9, "b": 5})) == 0
    assert "2 compared: 0 worse, 1 better; 0 missing, 0 new" in capsys.readouterr().out


def test_worse_past_the_threshold_fails(save_run, capsys):
    assert compare(save_run({"a": 100, "b": 10}), save_run({"a": 105.1, "b": 10})) == 1
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].split() == ["a", "100.00", "105.10", "1.051", "ns", "worse"]


@pytest.mark.parametrize(("threshold", "status"), [("10%", 1), ("10", 1), ("12%", 0), ("0%", 1)])
def test_threshold_is_what_was_asked_for(save_run, threshold, status):
    assert compare(save_run({"a": 100}), save_run({"a": 111}), "--threshold", threshold) == status


def test_where_more_is_better_less_is_worse(save_run, entry):
    few, many = (
        save_run({"a": entry("a", value, unit="calls/s", direction="higher")}) for value in (100, 120)
    )
    assert compare(few, many) == 0
    assert compare(many, few) == 1


def test_instructions_have_a_threshold_of_their_own(save_run, entry):
    def instructions(value):
        return save_run({"a": entry("a", value, operations=1, unit="instructions")})

    before, after = instructions(1000), instructions(1021)
    assert compare(before, after) == 1
    assert compare(before, instructions(1019)) == 0
    assert compare(before, after, "--threshold", "20%") == 1
    assert compare(before, after, "--threshold", "instructions=3%") == 0


def test_missing_and_new_benchmarks_are_listed(save_run, capsys):
    assert compare(save_run({"a": 1, "gone": 1}), save_run({"a": 1, "come": 1})) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "missing  gone" in lines
    assert "new      come" in lines


def test_a_changed_unit_is_not_compared(save_run, entry, capsys):
    assert compare(save_run({"a": 1, "b": 1}), save_run({"a": entry("a", 9, unit="us"), "b": 1})) == 0
    assert "1 compared: 0 worse, 0 better; 1 missing, 1 new" in capsys.readouterr().out


def test_median_on_request(save_run, entry):
    """The best round hides what the median shows."""
    before, after = save_run({"a": 100}), save_run({"a": 100})
    slow = json.loads(after.read_text())
    slow["benchmarks"][0]["stats"]["median"] *= 2
    after.write_text(json.dumps(slow))
    assert compare(before, after) == 0
    assert compare(before, after, "--statistic", "median") == 1


def test_json_holds_what_the_table_shows(save_run, tmp_path):
    report = tmp_path / "report.json"
    assert compare(save_run({"a": 100, "gone": 1}), save_run({"a": 200}), "--json", report) == 1
    found = json.loads(report.read_text())
    assert found["missing"] == ["gone"]
    assert [(row["id"], row["ratio"], row["verdict"]) for row in found["changes"]] == [
        ("a", pytest.approx(2), "worse")
    ]


def test_nothing_in_common_is_an_error_of_its_own(save_run, tmp_path):
    assert compare(save_run({"a": 1}), save_run({"b": 1})) == 2
    assert compare(save_run({"a": 1}), tmp_path / "none.json") == 2


def test_another_machine_is_pointed_out(save_run, capsys):
    compare(save_run({"a": 1}), save_run({"a": 1}, node="loud"))
    assert "not the same machine" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", ["-1%", "x", "nan", "inf%"])
def test_a_threshold_that_is_none_is_refused(save_run, threshold):
    with pytest.raises(SystemExit) as ended:
        compare(save_run({"a": 1}), save_run({"a": 1}), f"--threshold={threshold}")
    assert ended.value.code == 2
