"""The page: one file of HTML that needs no network, with the charts as data and Vega to draw them.

Everything that is text stands in the HTML itself. A chart is drawn when its card comes near the window.
"""

from __future__ import annotations

import html
import json
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import vl_convert

from dashboard import charts
from dashboard.cards import (
    CONTENDERS,
    DISTANT_CONTENDERS,
    SCALING,
    TREND,
    contenders_card,
    has_contenders,
    has_curve,
    moved,
    run_labels,
    scaling_card,
    trend_card,
)
from dashboard.compare import THRESHOLDS
from dashboard.history import current_ids, newest_subjects, series_by_benchmark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboard.cards import Card
    from dashboard.history import Subject
    from dashboard.runs import Run

HERE = Path(__file__).parent
SHOWN_MOVES = 20
# What the labels of an axis, and what is below them, take of a chart, in pixels.
AXIS_HEIGHT = 30
FACTS = ("pyfutex", "python", "cython", "compiler", "libc", "kernel")


def escaped(text: object) -> str:
    """Text as HTML."""
    return html.escape(str(text))


def json_in_html(found: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(found, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def badge(card: Card) -> str:
    """How the newest figure of a card has changed."""
    return f'<span class="badge {card.verdict}">{escaped(card.badge)}</span>' if card.badge else ""


class Charts:
    """The charts of the page, in the order in which their cards ask for them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def card(self, card: Card) -> str:
        """The HTML of a card."""
        ends = {"low": card.low, "high": card.high}
        self.rows.append({"kind": card.kind, "values": card.values, "ends": ends, "height": card.height})
        title, kind = escaped(card.title), card.kind.split()[-1]
        figure = f"<strong>{escaped(card.figure)}</strong>" if card.figure else ""
        return (
            f'<figure class="card {kind}" data-name="{title.lower()}"><figcaption><h3>{title}</h3>'
            f"<p>{figure}{badge(card)}<small>{escaped(card.note)}</small></p></figcaption>"
            f'<div class="chart" style="min-height:{card.height + AXIS_HEIGHT}px" data-chart="{len(self.rows) - 1}"'
            f' role="img" aria-label="{title}"></div></figure>'
        )

    def section(self, id_: str, title: str, note: str, cards: Iterable[Card]) -> str:
        """The HTML of a section, or nothing if it has no card."""
        body = "".join(self.card(card) for card in cards)
        if not body:
            return ""
        return (
            f'<section id="{escaped(id_)}"><h2>{escaped(title)}</h2><p class="note">{escaped(note)}</p>'
            f'<div class="cards">{body}</div></section>'
        )


def facts(runs: Sequence[Run]) -> str:
    """What the newest run was made of."""
    newest = runs[-1]
    found = {
        "newest": f"{newest.label} of {newest.when:%Y-%m-%d %H:%M}",
        "machine": newest.machine,
        **{name: newest.versions[name] for name in FACTS if name in newest.versions},
    }
    return "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>" for name, text in found.items()
    )


def machines_legend(machines: Sequence[str]) -> str:
    """Which colour is which machine, where there are several."""
    if len(machines) < 2:
        return ""
    keys = "".join(
        f'<li><i style="background:{charts.PALETTE[i % len(charts.PALETTE)]}"></i>{escaped(machine)}</li>'
        for i, machine in enumerate(machines)
    )
    return f'<ul class="legend">{keys}</ul>'


def moves(cards: Sequence[Card]) -> str:
    """The list of what is past its threshold."""
    limits = ", ".join(
        f"{share:.0%} of {unit or 'time'}".replace("%", " %") for unit, share in sorted(THRESHOLDS.items())
    )
    found = moved(cards)
    if not found:
        return f'<p class="note">Against the run before nothing moved by more than {limits}.</p>'
    rows = "".join(
        f"<li>{badge(card)}<span>{escaped(card.title)} <small>{escaped(card.figure)}</small></span></li>"
        for card in found[:SHOWN_MOVES]
    )
    rest = f'<p class="note">and {len(found) - SHOWN_MOVES} more</p>' if len(found) > SHOWN_MOVES else ""
    return f'<p class="note">Past {limits} against the run before:</p><ul class="moves">{rows}</ul>{rest}'


def by_size(subject: Subject) -> tuple[bool, int]:
    """Time before all other units, then as many contenders side by side as in the next card."""
    return subject.unit != "ns", len(subject.figures)


def render(runs: Sequence[Run], title: str = "pyfutex benchmarks") -> str:
    """The page of some runs.

    Parameters
    ----------
    runs : sequence of Run
        The oldest first; at least one.
    title : str, optional

    Returns
    -------
    str
        HTML.
    """
    labels = run_labels(runs)
    machines = list(dict.fromkeys(run.machine for run in runs))
    trends = [
        (id_, series[0].points[-1].figure.suite, trend_card(series, labels))
        for id_, series in series_by_benchmark(runs).items()
    ]
    trends.sort(key=itemgetter(1))
    current = current_ids(runs)
    subjects = newest_subjects(runs)
    drawn = Charts()
    sections = [
        drawn.section(
            "contenders",
            "Ours and the others",
            "Median of the rounds of one run; the whisker goes from quartile to quartile. Points stand where a bar would be"
            " too short to see. In brackets: times ours.",
            # Cards of one height side by side.
            map(
                contenders_card,
                sorted(filter(has_contenders, subjects), key=by_size),
            ),
        ),
        drawn.section(
            "scaling",
            "Over threads",
            "Median of an operation over all threads together; the band goes from quartile to quartile.",
            map(scaling_card, filter(has_curve, subjects)),
        ),
        *(
            drawn.section(
                f"trend-{suite}",
                f"Trend: {suite}",
                "Best round of each run, the oldest commit on the left; the shade reaches up to the median.",
                (card for _, _, card in group),
            )
            for suite, group in groupby(trends, key=itemgetter(1))
        ),
    ]
    links = [("contenders", "contenders"), ("scaling", "threads")] + [
        (f"trend-{suite}", suite) for suite in dict.fromkeys(suite for _, suite, _ in trends)
    ]
    body = "".join(sections)
    data = {
        "templates": {
            TREND: charts.trend(machines),
            CONTENDERS: charts.contenders(),
            DISTANT_CONTENDERS: charts.distant_contenders(),
            SCALING: charts.scaling(),
        },
        "charts": drawn.rows,
    }
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escaped(title),
        span=escaped(f"{len(runs)} runs, {runs[0].label} to {runs[-1].label}"),
        facts=facts(runs),
        legend=machines_legend(machines),
        moves=moves([card for id_, _, card in trends if id_ in current]),
        links="".join(
            f'<a href="#{escaped(id_)}">{escaped(name)}</a>' for id_, name in links if f'id="{id_}"' in body
        ),
        sections=body,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        data=json_in_html(data),
        vega=vl_convert.javascript_bundle().replace("</script", "<\\/script"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )
