"""Charts as inline SVG: small, sharp at every size, and readable by whoever opens the file in years."""

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import as_days

Array = npt.NDArray[np.float64]

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 24
# More points than pixels show nothing more.
MOST_POINTS = 400
SERIES = ("var(--one)", "var(--two)", "var(--three)", "var(--four)")


class Scale(NamedTuple):
    """From values to places on the paper."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, values: "Array | float") -> Array:
        """Return the places of values."""
        span = self.high - self.low or 1.0
        return np.asarray(
            self.begin + (np.asarray(values, dtype=np.float64) - self.low) / span * (self.end - self.begin)
        )


def lines(
    series: Mapping[str, pd.Series], *, title: str, unit: str, percent: bool = False, fill: bool = False,
    rule: "float | None" = None,
) -> str:  # fmt: skip
    """Draw series over days, each with its name.

    Parameters
    ----------
    series
        By name, index of days; NaN leave gaps.
    title, unit
        What is shown, for those who see and those who listen.
    percent
        Values are fractions, shown as per cent.
    fill
        Fill the first series down to 0.
    rule
        A value to draw a line at.
    """
    known = {name: own.dropna() for name, own in series.items() if own.notna().any()}
    if not known:
        return _empty(title)
    days = [_numbers(own.index) for own in known.values()]
    values = np.concatenate(
        [own.to_numpy(np.float64) for own in known.values()] + ([np.array([rule])] if rule is not None else [])
    )
    if fill:
        values = np.append(values, 0.0)
    across = Scale(float(min(d[0] for d in days)), float(max(d[-1] for d in days)), LEFT, WIDTH - RIGHT)
    steps = ticks(float(values.min()), float(values.max()))
    up = Scale(min(steps[0], values.min()), max(steps[-1], values.max()), HEIGHT - BOTTOM, TOP)
    parts = [_grid(up, steps, percent=percent), _years(across)]
    if rule is not None:
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(rule):.1f}" y2="{up(rule):.1f}"/>')
    for (name, own), colour in zip(known.items(), SERIES, strict=False):
        path = _path(across(_numbers(own.index)), up(own.to_numpy(np.float64)))
        if fill and colour == SERIES[0]:
            begin, end = across(_numbers(own.index)[[0, -1]])
            parts.append(
                f'<path d="{path}L{end:.1f},{up(0.0):.1f}L{begin:.1f},{up(0.0):.1f}Z" fill="{colour}" opacity=".25"/>'
            )
        parts.append(f'<path class="line" d="{path}" stroke="{colour}"><title>{escape(name)}</title></path>')
    return _chart(parts, title=title, unit=unit, names=list(known))


def bars(labels: Sequence[str], values: Array, *, title: str, unit: str, percent: bool = False) -> str:
    """Draw one bar per label, down from 0 where it is below."""
    shown = np.nan_to_num(np.asarray(values, dtype=np.float64))
    if not len(shown):
        return _empty(title)
    steps = ticks(min(float(shown.min()), 0.0), max(float(shown.max()), 0.0))
    up = Scale(steps[0], steps[-1], HEIGHT - BOTTOM, TOP)
    width = (WIDTH - LEFT - RIGHT) / len(shown)
    parts = [_grid(up, steps, percent=percent)]
    every = max(1, int(np.ceil(len(shown) / 10)))
    for place, (label, value) in enumerate(zip(labels, shown, strict=True)):
        x, y, zero = LEFT + place * width, float(up(float(value))), float(up(0.0))
        colour = SERIES[0] if value >= 0 else SERIES[2]
        parts.append(
            f'<rect x="{x + width * 0.12:.1f}" y="{min(y, zero):.1f}" width="{width * 0.76:.1f}" '
            f'height="{abs(y - zero):.1f}" fill="{colour}"><title>{escape(label)}: {_written(value, percent=percent)}'
            "</title></rect>"
        )
        if place % every == 0:
            parts.append(f'<text x="{x + width / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
    return _chart(parts, title=title, unit=unit, names=[])


def ticks(low: float, high: float, *, n: int = 4) -> Array:
    """Choose round values that reach from at most `low` to at least `high`."""
    span = high - low
    if not span > 0:
        span = abs(high) or 1.0
        low, high = low - span / 2, high + span / 2
    raw = span / n
    size = 10.0 ** np.floor(np.log10(raw))
    step = size * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * (1 - 1e-9))
    return np.asarray(np.arange(np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9) + 1) * step)


def _chart(parts: Sequence[str], *, title: str, unit: str, names: Sequence[str]) -> str:
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, SERIES, strict=False)
        if len(names) > 1
    )
    drawn = "".join(parts)
    return (
        f'<figure><figcaption>{escape(title)} <small>{escape(unit)}</small><span class="legend">{legend}</span>'
        f'</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{drawn}</svg>'
        "</figure>"
    )


def _empty(title: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption><p>Nothing to show.</p></figure>"


def _grid(up: Scale, steps: Array, *, percent: bool) -> str:
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(step):.1f}" y2="{up(step):.1f}"/>'
        f'<text x="{LEFT - 5}" y="{up(step) + 4:.1f}" text-anchor="end">{_written(step, percent=percent)}</text>'
        for step in steps
    )


def _years(across: Scale) -> str:
    """Write years where they begin, or months where there are few."""
    first, last = (dt.date.fromordinal(int(number)) for number in (across.low, across.high))
    months = (last.year - first.year) * 12 + last.month - first.month
    every = next(step for step in (1, 3, 6, 12, 24, 60, 120, 10_000) if months / step <= 6)
    marks = []
    for number in range(months + 1):
        month = first.month - 1 + number
        day = dt.date(first.year + month // 12, month % 12 + 1, 1)
        if day >= first and (day.year * 12 + day.month - 1) % every == 0:
            marks.append((day, f"{day.year}" if every >= 12 else f"{day:%Y-%m}"))
    placed = [(float(across(day.toordinal())), text) for day, text in marks]
    return "".join(_mark(x, text) for x, text in placed if x < WIDTH - 20)


def _mark(x: float, text: str) -> str:
    foot = HEIGHT - BOTTOM
    return (
        f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{foot}" y2="{foot + 4}"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>'
    )


def _path(x: Array, y: Array) -> str:
    places = np.unique(np.linspace(0, len(x) - 1, min(MOST_POINTS, len(x))).round().astype(int))
    return "M" + "L".join(f"{x[place]:.1f},{y[place]:.1f}" for place in places)


def _numbers(index: pd.Index) -> Array:
    """Days as `datetime.date.toordinal` counts them."""
    return as_days(index).astype(np.float64) + dt.date(1970, 1, 1).toordinal()


def _written(value: float, *, percent: bool) -> str:
    if percent:
        return f"{value * 100:.10g}%" if abs(value * 100 - round(value * 100)) < 1e-9 else f"{value * 100:.1f}%"
    return f"{value:.4g}"
