"""What the pages call things, and how a score is put together there."""

from collections.abc import Sequence
from typing import NamedTuple

from api.dashboard import numbers
from warehouse.queries.rankings import Ranked

SIGNALS = {
    "strong_buy": "Strong buy",
    "buy": "Buy",
    "hold": "Hold",
    "sell": "Sell",
    "strong_sell": "Strong sell",
    "not_ranked": "Not ranked",
}
GROUPS = {
    "forecast": "Forecast",
    "momentum": "Momentum",
    "value": "Value",
    "quality": "Quality",
    "growth": "Growth",
    "low_risk": "Low risk",
    "liquidity": "Liquidity",
}
PROFILES = {"conservative": "Conservative", "balanced": "Balanced", "aggressive": "Aggressive"}
METRICS = {
    "cagr": "Return p.a.",
    "total_return": "Total return",
    "volatility": "Volatility p.a.",
    "deflated_sharpe": "Deflated Sharpe",
    "sharpe_probability": "Sharpe above zero",
    "overfitting_probability": "Overfitting",
    "n_trials": "Trials",
    "max_drawdown": "Deepest drawdown",
    "max_drawdown_sessions": "Longest drawdown, sessions",
    "n_days": "Sessions",
    "hit_rate": "Days above zero",
    "active_hit_rate": "Days above benchmark",
    "tracking_error": "Tracking error p.a.",
    "information_ratio": "Information ratio",
    "turnover": "Turnover p.a.",
    "alpha": "Alpha p.a.",
    "value_at_risk": "Value at risk, 1 day",
    "expected_shortfall": "Expected shortfall, 1 day",
    "up_capture": "Up capture",
    "down_capture": "Down capture",
}
# What a reader looks for first; the rest follows by name.
FIRST_METRICS = (
    "cagr", "volatility", "sharpe", "deflated_sharpe", "overfitting_probability", "sortino", "max_drawdown",
    "information_ratio", "alpha", "beta",
)  # fmt: skip
FACTOR_GROUPS = ("momentum", "value", "quality", "growth", "low_risk", "liquidity", "size")
_ABBREVIATIONS = {"rsi": "RSI", "adx": "ADX", "macd": "MACD", "atr": "ATR", "sma": "SMA", "ema": "EMA", "obv": "OBV"}


class Part(NamedTuple):
    """One group's part of a score."""

    group: str
    label: str
    points: float
    is_missing: bool


class Segment(NamedTuple):
    """One piece of a bar whose middle is zero: from `x` on, `width` wide, in percent of the bar."""

    group: str
    x: float
    width: float


def words(name: str) -> str:
    """Return a name as a person writes it.

    >>> words("momentum_252d_21d"), words("rsi_14d"), words("strong_buy")
    ('Momentum 252d 21d', 'RSI 14d', 'Strong buy')
    """
    if name in SIGNALS:
        return SIGNALS[name]
    first, *rest = name.split("_")
    return " ".join([_ABBREVIATIONS.get(first, first.capitalize()), *rest])


def option(value: object) -> str:
    """Return an option's value as a person writes it.

    >>> option(None), option(True), option(["a", "b"]), option(0.1)
    ('\u2013', 'yes', 'a, b', '0.1')
    """
    if value is None or value == "":
        return numbers.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(option, value)) if isinstance(value, list) else str(value)


def weighting(text: str) -> str:
    """Return the schemes of an index's weights as a person writes them.

    >>> weighting("ranking 0.5, risk_parity 0.5"), weighting("equal")
    ('Ranking 50%, risk parity 50%', 'Equal')
    """
    said = []
    for part in text.split(", "):
        scheme, _, share = part.partition(" ")
        said.append(
            f"{scheme.replace('_', ' ')} {numbers.percent(float(share), 0)}" if share else scheme.replace("_", " ")
        )
    return ", ".join(said).capitalize()


def metric(name: str) -> str:
    """Return what a figure is called."""
    return METRICS.get(name) or words(name)


def parts(row: Ranked) -> list[Part]:
    """Return what each group adds to a score; together with 50 they are the score."""
    return [
        Part(group, label, getattr(row, f"contribution_{group}"), group in row.missing_groups)
        for group, label in GROUPS.items()
    ]


def scale(rows: Sequence[Ranked]) -> float:
    """Return the points that half a bar stands for, so that every row's bar fits."""
    sides = [abs(sum(part.points for part in parts(row) if part.points * way > 0)) for row in rows for way in (1, -1)]
    return max([*sides, 1.0])


def segments(row: Ranked, points: float) -> list[Segment]:
    """Return the pieces of a row's bar: what raises the score lies right of the middle, what lowers it left."""
    right = left = 50.0
    pieces = []
    for part in parts(row):
        width = abs(part.points) / points * 50
        if part.points >= 0:
            pieces.append(Segment(part.group, round(right, 2), round(width, 2)))
            right += width
        else:
            left -= width
            pieces.append(Segment(part.group, round(left, 2), round(width, 2)))
    return pieces


def heat(points: float) -> str:
    """Return the class of a cell by how much it adds: h-3 to h3."""
    size = 0 if abs(points) < 0.5 else 1 if abs(points) < 2 else 2 if abs(points) < 5 else 3
    return f"h{'-' if points < 0 else ''}{size}" if size else "h0"


def sentence(row: Ranked) -> str:
    """Say in a sentence what lifts a score and what holds it back."""
    ordered = sorted(parts(row), key=lambda part: part.points, reverse=True)
    up = [f"{part.label.lower()} (+{part.points:.1f})" for part in ordered[:2] if part.points >= 0.1]
    down = [
        f"{part.label.lower()} ({numbers.number(part.points, 1)})" for part in ordered[:-3:-1] if part.points <= -0.1
    ]
    lifted = f"Lifted by {' and '.join(up)}" if up else "Nothing lifts it"
    held = f"held back by {' and '.join(down)}" if down else "nothing holds it back"
    return f"{lifted}; {held}."


def metric_order(name: str) -> tuple[int, str]:
    """Sort figures: those that a reader looks for first, then by name."""
    return (FIRST_METRICS.index(name) if name in FIRST_METRICS else len(FIRST_METRICS), name)
