"""Reading saved runs."""

import pytest
from dashboard.runs import NotARunError, read_run, read_runs


def test_figure_is_of_one_operation_in_its_unit(save_run, entry):
    figure = read_run(save_run({"a": entry("bench/test_x.py::a", 40, operations=4000)})).figures[
        "bench/test_x.py::a"
    ]
    assert (figure.best, figure.median, figure.unit) == (pytest.approx(40), pytest.approx(42), "ns")
    assert figure.suite == "x"


def test_figure_that_the_suite_has_computed_wins(save_run, entry):
    """The clock of a suite may leave something out that only it knows."""
    figure = read_run(save_run({"a": entry("a", 40, operations=4000, ns_min=10.0)})).figures["a"]
    assert (figure.best, figure.median) == (pytest.approx(10), pytest.approx(10.5))


def test_other_units_are_not_taken_for_seconds(save_run, entry):
    figure = read_run(save_run({"a": entry("a", 41, operations=1, unit="instructions")})).figures["a"]
    assert figure.best == pytest.approx(41)
    assert figure.unit == "instructions"


def test_best_of_what_should_be_high_is_the_highest(save_run, entry):
    figure = read_run(save_run({"a": entry("a", 100, unit="calls/s", direction="higher")})).figures["a"]
    assert figure.higher
    assert figure.best == pytest.approx(120)


def test_without_extras_group_and_parameters_tell(save_run, entry):
    found = entry("a", 1, group="round trip (x 1,000)", params={"who": "kernel", "n_threads": 4})
    figure = read_run(save_run({"a": found})).figures["a"]
    assert (figure.subject, figure.contender, figure.threads) == ("round trip", "kernel", 4)


def test_extras_win_over_group_and_parameters(save_run, entry):
    found = entry("a", 1, group="g", params={"who": "kernel"}, subject="lock", contender="ours", threads=2)
    figure = read_run(save_run({"a": found})).figures["a"]
    assert (figure.subject, figure.contender, figure.threads) == ("lock", "ours", 2)


def test_runs_of_a_folder_come_by_time_and_strangers_are_named(save_run, tmp_path, capsys):
    first, second = save_run({"a": 1}), save_run({"a": 2})
    stranger = tmp_path / "runs" / "0000.json"
    stranger.write_text('{"limits": []}')
    assert [run.path for run in read_runs(stranger.parent)] == [first, second]
    assert str(stranger) in capsys.readouterr().err


def test_an_old_commit_measured_late_stands_at_its_place(save_run):
    new, old = save_run({}), save_run({}, committed="2025-12-31T10:00:00+01:00")
    again = save_run({}, committed="2025-12-31T09:00:00Z")
    assert [run.path for run in read_runs(new.parent)] == [old, again, new]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"benchmarks": [{}]}'])
def test_what_is_no_run_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(NotARunError, match=r"x\.json"):
        read_run(path)


def test_machine_and_python_keep_figures_apart(save_run):
    machines = {
        read_run(path).machine
        for path in (save_run({}), save_run({}, node="loud"), save_run({}, python="3.13.0"), save_run({}))
    }
    assert len(machines) == 3
