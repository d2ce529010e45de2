"""The three kinds of chart as Vega-Lite: a trend, contenders side by side, a curve over threads.

Each is made once. A page fills in the rows (`values`), the ends of the axis (`low`, `high`) and the height chart by chart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dashboard.cards import NAMES_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
INK, FAINT, RULE = "#24292f", "#57606a", "#d8dee4"
OURS, THEIRS = "#0b62c4", "#94a1b0"
# Colours that those who confuse red and green tell apart.
PALETTE = ["#0b62c4", "#d9730d", "#1a7f5a", "#a43e9a", "#7a5c00", "#5c6470", "#c2334d", "#3aa0a8"]
ROWS = alt.NamedData(name="values")
LOW, HIGH = alt.param(name="low", value=0), alt.param(name="high", value=1)
POINT = {"size": 46, "filled": True, "opacity": 1}


def axis(**options: Any) -> alt.Axis:
    """An axis without a line or ticks."""
    return alt.Axis(**{"domain": False, "ticks": False, "grid": False, "title": None, **options})


def value_axis(n_labels: int = 4) -> alt.Axis:
    """The axis of a figure: a few faint rules."""
    return axis(grid=True, gridColor=RULE, tickCount=n_labels, labelFlush=False)


def decades_axis() -> alt.Axis:
    """The axis of figures far apart: a faint rule at 1, 3, 10, 30, ... as far as the data go."""
    ticks = [step * 10.0**power for power in range(-3, 10) for step in (1, 3)]
    return axis(
        grid=True, gridColor=RULE, values=ticks, format=",.12~g", labelOverlap="greedy", labelSeparation=8
    )


def tooltips(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    """What is shown beside the pointer: fields with their titles."""
    return [alt.Tooltip(field, type="nominal", title=title) for field, title in fields]


def finished(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as the page gives it."""
    styled = (
        chart.add_params(LOW, HIGH)
        .properties(width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure(
            font=FONT, background="transparent", padding={"left": 2, "right": 6, "top": 4, "bottom": 2}
        )
        .configure_view(stroke=None)
        .configure_axis(labelColor=FAINT, labelFontSize=11, labelPadding=6)
        .configure_legend(
            labelColor=INK,
            labelFontSize=11,
            title=None,
            orient="bottom",
            columns=2,
            symbolSize=60,
            symbolOpacity=1,
        )
    )
    return styled.to_dict()


def trend(machines: Sequence[str]) -> dict[str, Any]:
    """A benchmark over the runs: the best round as a line for each machine, a shade up to its median."""
    colour = alt.Color("machine:N", legend=None, scale=alt.Scale(domain=list(machines), range=PALETTE))
    base = alt.Chart(ROWS).encode(
        x=alt.X(
            "run:N",
            sort=None,
            axis=axis(labelAngle=0, labelOverlap="greedy", labelSeparation=8, labelFont="monospace"),
        ),
        color=colour,
    )
    scale = alt.Scale(domainMin=alt.expr("low"), domainMax=alt.expr("high"), nice=False, zero=False)
    y = alt.Y("best:Q", scale=scale, axis=value_axis())
    shade = base.mark_area(opacity=0.13, clip=True).encode(y=y, y2="median:Q")
    line = base.mark_line(strokeWidth=2).encode(y=y)
    points = base.mark_point(**POINT).encode(
        y=y,
        tooltip=tooltips(
            ("when", "run"),
            ("commit", "commit"),
            ("best_text", "best"),
            ("median_text", "median"),
            ("machine", "on"),
        ),
    )
    return finished(shade + line + points)


def contenders() -> dict[str, Any]:
    """Bars of the medians, whiskers from quartile to quartile, the figure at the end."""
    scale = alt.Scale(domainMin=alt.expr("low"), domainMax=alt.expr("high"), nice=False)
    bars = (
        by_contender()
        .mark_bar(height=16, cornerRadiusEnd=2)
        .encode(x=alt.X("median:Q", scale=scale, axis=value_axis()))
    )
    return finished(with_whiskers(bars, scale))


def distant_contenders() -> dict[str, Any]:
    """The same as points on a logarithmic axis, for figures so far apart that the shorter bars would not be seen."""
    scale = alt.Scale(type="log", domainMin=alt.expr("low"), domainMax=alt.expr("high"), nice=False)
    points = (
        by_contender()
        .mark_point(**POINT | {"size": 110})
        .encode(x=alt.X("median:Q", scale=scale, axis=decades_axis()))
    )
    return finished(with_whiskers(points, scale))


def by_contender() -> alt.Chart:
    """A line for each contender, ours in our colour."""
    return alt.Chart(ROWS).encode(
        y=alt.Y(
            "contender:N", sort=None, axis=axis(labelColor=INK, labelFontSize=12, labelLimit=NAMES_WIDTH)
        ),
        tooltip=tooltips(
            ("contender", "who"), ("best_text", "best"), ("median_text", "median"), ("spread", "quartiles")
        ),
        color=alt.condition("datum.ours", alt.value(OURS), alt.value(THEIRS)),
    )


def with_whiskers(marks: alt.Chart, scale: alt.Scale) -> alt.LayerChart:
    """Marks of contenders, each with a whisker and its figure behind it."""
    whiskers = (
        by_contender()
        .mark_rule(strokeWidth=1.5)
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=alt.value(INK))
    )
    labels = (
        by_contender()
        .mark_text(align="left", dx=10, fontSize=12)
        .encode(x=alt.X("end:Q", scale=scale), text="text:N", color=alt.value(INK))
    )
    return marks + whiskers + labels


def scaling() -> dict[str, Any]:
    """Lines over the number of threads, one a contender, with a band from quartile to quartile."""
    base = alt.Chart(ROWS).encode(
        x=alt.X(
            "threads:O", axis=axis(labelAngle=0, title="threads", titleColor=FAINT, titleFontWeight="normal")
        ),
        color=alt.Color("contender:N", scale=alt.Scale(range=PALETTE)),
    )
    scale = alt.Scale(domainMin=alt.expr("low"), domainMax=alt.expr("high"), nice=False)
    y = alt.Y("median:Q", scale=scale, axis=value_axis())
    band = base.mark_area(opacity=0.13).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=y)
    points = base.mark_point(**POINT).encode(
        y=y,
        tooltip=tooltips(
            ("contender", "who"),
            ("threads", "threads"),
            ("best_text", "best"),
            ("median_text", "median"),
            ("spread", "quartiles"),
        ),
    )
    return finished(band + line + points)
