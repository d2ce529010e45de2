"""The page in a real browser: every chart is drawn to scale, nothing is complained about, it fits narrow windows too."""

import pytest
from dashboards.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
WIDE, NARROW = 1400, 420
N_TRENDS = 30
MEDIANS = {"pyfutex": 40, "a contender of a long name": 199, "kernel </script>": 200, "threading": 100}
THREADS = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this file."""
    started = Browser()
    yield started
    started.close()


@pytest.fixture
def page(save_run, entry, tmp_path):
    """A page with all kinds of charts, of three runs on two machines."""
    pytest.importorskip("altair", reason="altair is not installed: pip group dashboards")
    pytest.importorskip("vl_convert", reason="vl-convert-python is not installed: pip group dashboards")
    from dashboard.__main__ import main

    def figures(factor):
        trends = {f"bench/test_t.py::test_{i}": factor * (i + 1) for i in range(N_TRENDS)}
        contenders = {
            f"c{who}": entry(
                f"bench/test_c.py::test_{who}", value, subject="wake </script> & <b>", contender=who
            )
            for who, value in MEDIANS.items()
        }
        distant = {
            f"d{value}": entry(f"bench/test_d.py::test_{value}", value, subject="far", contender=str(value))
            for value in (2, 2000)
        }
        curve = {
            f"s{n}": entry(f"bench/test_s.py::test_{n}", 10 * n, subject="threads", threads=n)
            for n in THREADS
        }
        return trends | contenders | distant | curve

    for i, (factor, node) in enumerate(((1, "quiet"), (1.2, "quiet"), (1.1, "loud"))):
        path = save_run(figures(factor), node=node, commit=str(i) * 40)
    assert main([str(path.parent), "--output", str(tmp_path / "page.html")]) == 0
    return tmp_path / "page.html"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_chart_is_drawn_and_fits(browser, page, width):
    browser.complaints.clear()
    browser.open(page, width)
    browser.evaluate("drawAll().then(() => null)")
    n_charts = browser.evaluate("document.querySelectorAll('[data-chart]').length")
    assert n_charts == N_TRENDS + len(MEDIANS) + 2 + len(THREADS) + 3
    drawn = browser.evaluate(
        """Array.from(document.querySelectorAll('[data-chart]'), (chart) => {
            const marks = chart.querySelectorAll('svg .mark-symbol path, svg .mark-rect path');
            const box = chart.querySelector('svg').getBoundingClientRect();
            const frame = chart.closest('.card').getBoundingClientRect();
            const texts = Array.from(chart.querySelectorAll('text'), (text) => text.getBoundingClientRect());
            return marks.length > 0 && box.height > 50
                && [box, ...texts].every((one) => one.left >= frame.left && one.right <= frame.right);
        })"""
    )
    assert all(drawn)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []


def test_page_needs_nothing_but_itself(browser, page):
    browser.open(page, WIDE)
    browser.evaluate("drawAll().then(() => null)")
    assert browser.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)") == []


def test_bars_are_as_long_as_their_medians(browser, page):
    browser.open(page, WIDE)
    browser.evaluate("drawAll().then(() => null)")
    widths = browser.evaluate(
        """Array.from(
            document.querySelector('#contenders .card[data-name^=wake]').querySelectorAll('.mark-rect path'),
            (bar) => bar.getBoundingClientRect().width)"""
    )
    shortest_first = sorted(MEDIANS.values())
    assert [width / widths[0] for width in widths] == pytest.approx(
        [value / shortest_first[0] for value in shortest_first], rel=0.02
    )


def test_lines_of_a_trend_are_those_of_the_machines(browser, page):
    browser.open(page, WIDE)
    browser.evaluate("drawAll().then(() => null)")
    colours = browser.evaluate(
        """Array.from(
            document.querySelector('.card.trend').querySelectorAll('.mark-symbol path'),
            (point) => getComputedStyle(point).fill)"""
    )
    assert len(colours) == 3
    assert len(set(colours)) == 2
    keys = browser.evaluate(
        "Array.from(document.querySelectorAll('.legend i'), (key) => getComputedStyle(key).backgroundColor)"
    )
    assert set(keys) == set(colours)


def test_charts_far_away_are_left_until_they_come_near(browser, page, wait_until):
    browser.open(page, NARROW)
    last = "Array.from(document.querySelectorAll('[data-chart]')).at(-1)"
    wait_until(lambda: browser.evaluate("document.querySelectorAll('[data-drawn]').length > 0"))
    assert browser.evaluate(f"!('drawn' in {last}.dataset)")
    browser.evaluate(f"{last}.scrollIntoView()")
    wait_until(lambda: browser.evaluate(f"'drawn' in {last}.dataset"))


def test_filter_hides_what_it_does_not_name(browser, page):
    browser.open(page, WIDE)
    browser.evaluate("filter.value = 'test_7'; filter.dispatchEvent(new Event('input'))")
    shown = "Array.from(document.querySelectorAll('.card:not([hidden]) h3'), (title) => title.textContent)"
    assert browser.evaluate(shown) == ["test_7"]
    assert browser.evaluate("document.getElementById('contenders').hidden")


def test_complaints_are_heard(browser, tmp_path):
    """The browser of these tests notices an error in a page."""
    path = tmp_path / "bad.html"
    path.write_text("<script>console.error('said'); undefinedFunction()</script>")
    browser.complaints.clear()
    browser.open(path, WIDE)
    assert "said" in browser.complaints[0]
    assert "undefinedFunction" in browser.complaints[1]
    browser.complaints.clear()
