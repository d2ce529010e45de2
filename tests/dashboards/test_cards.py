"""What the page says: units, badges, which charts there are."""

import pytest
from dashboard.cards import (
    CONTENDERS,
    DISTANT_CONTENDERS,
    contenders_card,
    digits,
    has_contenders,
    has_curve,
    moved,
    run_labels,
    scaling_card,
    trend_card,
    with_unit,
)
from dashboard.history import current_ids, newest_subjects, series_by_benchmark
from dashboard.runs import read_run, read_runs


def trends_of(paths):
    runs = [read_run(path) for path in paths]
    return [trend_card(series, run_labels(runs)) for series in series_by_benchmark(runs).values()]


def subject_of(path):
    (subject,) = newest_subjects([read_run(path)])
    return subject


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (2.4635, "2.46"), (41, "41"), (99.96, "100"), (330.4, "330"), (12345, "12,345")],
)
def test_three_digits(value, text):
    assert digits(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4, "ns", "0.4 ns"),
        (2500, "ns", "2.5 µs"),
        (3e9, "ns", "3 s"),
        (2500, "instructions", "2,500 instructions"),
    ],
)
def test_time_is_written_in_the_unit_that_fits(value, unit, text):
    assert with_unit(value, unit) == text


def test_badge_is_of_the_last_two_runs_of_one_machine(save_run):
    """The run of the other machine in between, four times as fast, does not count."""
    (card,) = trends_of([save_run({"a": 100}), save_run({"a": 25}, node="fast"), save_run({"a": 110})])
    assert (card.badge, card.verdict) == ("+10.0 %", "worse")
    assert len(card.values) == 3


def test_less_is_worse_where_more_is_better(save_run, entry):
    def calls(value):
        return save_run({"a": entry("a", value, unit="calls/s", direction="higher")})

    (card,) = trends_of([calls(100), calls(50)])
    assert (card.badge, card.verdict) == ("\N{MINUS SIGN}50.0 %", "worse")


def test_first_run_has_no_badge(save_run):
    (card,) = trends_of([save_run({"a": 100})])
    assert (card.badge, card.verdict) == ("", "")


def test_moved_has_the_worst_first_and_nothing_within_the_threshold(save_run):
    before = dict.fromkeys(("same", "better", "best", "worse", "worst"), 10)
    after = {"same": 10.4, "better": 8, "best": 5, "worse": 12, "worst": 20}
    cards = trends_of(
        [save_run({f"t::{id_}": value for id_, value in run.items()}) for run in (before, after)]
    )
    assert [card.title for card in moved(cards)] == ["worst", "worse", "best", "better"]


def test_axis_of_a_trend_holds_the_data_and_does_not_magnify_noise(save_run):
    (card,) = trends_of([save_run({"a": value}) for value in (100, 101)])
    assert card.low <= 90
    assert card.high >= 110


def test_points_stand_in_the_order_of_the_commits(save_run):
    paths = [save_run({"a": 1}), save_run({"a": 2}, commit="0" * 40, committed="2025-01-01T00:00:00+00:00")]
    runs = read_runs(paths[0].parent)
    (series,) = series_by_benchmark(runs).values()
    card = trend_card(series, run_labels(runs))
    assert [row["run"] for row in card.values] == ["0000000", "1111111"]
    assert card.verdict == "better"


def test_runs_of_one_commit_have_labels_of_their_own(save_run):
    runs = [read_run(save_run({}, dirty=dirty)) for dirty in (False, False, True)]
    assert list(run_labels(runs).values()) == ["1111111", "1111111 2", "1111111+"]


def test_contenders_of_a_subject_stand_side_by_side(save_run, entry):
    path = save_run(
        {
            who: entry(who, value, subject="wake", contender=who)
            for who, value in (("pyfutex", 40), ("kernel", 200))
        }
    )
    subject = subject_of(path)
    assert has_contenders(subject)
    card = contenders_card(subject)
    assert card.kind == CONTENDERS
    assert [(row["contender"], row["ours"]) for row in card.values] == [("pyfutex", True), ("kernel", False)]
    assert [row["text"] for row in card.values] == ["42 ns", "210 ns  (5.00\N{MULTIPLICATION SIGN})"]
    assert card.high > card.values[-1]["end"]


def test_base_of_a_subject_is_ours_and_ratios_taken_in_turns_are_kept(save_run, entry):
    """Round by round the other took three times as long, whatever the two medians say."""
    taken = {"lock": (40, 1.0), "other": (80, 3.0)}
    path = save_run(
        {
            who: entry(who, value, subject="s", contender=who, base="lock", ratio_median=times)
            for who, (value, times) in taken.items()
        }
    )
    card = contenders_card(subject_of(path))
    assert [(row["ours"], row["text"]) for row in card.values] == [
        (True, "42 ns"),
        (False, "84 ns  (3.00\N{MULTIPLICATION SIGN})"),
    ]


def test_contenders_far_apart_get_a_logarithmic_axis(save_run, entry):
    path = save_run(
        {who: entry(who, value, subject="s", contender=who) for who, value in (("a", 2), ("b", 900))}
    )
    card = contenders_card(subject_of(path))
    assert card.kind == DISTANT_CONTENDERS
    assert 0 < card.low < card.values[0]["low"]


def test_numbers_of_threads_make_a_curve(save_run, entry):
    path = save_run({f"a{n}": entry(f"a{n}", 10 * n, subject="s", threads=n) for n in (4, 1, 2)})
    subject = subject_of(path)
    assert has_curve(subject)
    assert not has_contenders(subject)
    assert [row["threads"] for row in scaling_card(subject).values] == [1, 2, 4]


def test_subject_is_of_the_newest_run_that_has_it(save_run, entry):
    first = save_run({"a": entry("a", 1, subject="old"), "b": entry("b", 1, subject="both")})
    second = save_run({"b": entry("b", 1, subject="both")})
    assert {subject.name: subject.run.path for subject in newest_subjects(read_runs(first.parent))} == {
        "old": first,
        "both": second,
    }


def test_what_is_gone_from_its_suite_is_not_current(save_run):
    """A run of one suite says nothing about another."""
    paths = [
        save_run({"bench/test_x.py::gone": 1, "bench/test_y.py::other": 1}),
        save_run({"bench/test_x.py::a": 1}),
    ]
    assert current_ids(map(read_run, paths)) == {"bench/test_x.py::a", "bench/test_y.py::other"}
