"""How numbers, days and instants are written on a page: one way each, and a dash for what is missing."""

import datetime as dt
import math

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_SCALES = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))


def number(value: float | None, digits: int = 2, *, is_signed: bool = False) -> str:
    """Write a number with its thousands apart.

    >>> number(-1234.5), number(0.125, 1, is_signed=True), number(None)
    ('\u22121,234.50', '+0.1', '\u2013')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, digits) + 0.0  # no minus before a zero
    sign = MINUS if rounded < 0 else "+" if is_signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.{digits}f}"


def percent(value: float | None, digits: int = 1, *, is_signed: bool = False) -> str:
    """Write a fraction as per cent.

    >>> percent(0.1234), percent(-0.0501, 2, is_signed=True)
    ('12.3%', '\u22125.01%')
    """
    text = number(None if value is None else value * 100, digits, is_signed=is_signed)
    return text if text == MISSING else f"{text}%"


def compact(value: float | None, digits: int = 2) -> str:
    """Write a large amount in thousands, millions, billions or trillions.

    >>> compact(1_234_000_000), compact(-45_600), compact(12)
    ('1.23 bn', '\u221245.60 k', '12')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    for scale, name in _SCALES:
        if abs(value) >= scale:
            return f"{number(value / scale, digits)} {name}"
    return number(value, 0)


def price(value: float | None) -> str:
    """Write a price per share: four decimals where two would hide what it is.

    >>> price(1234.5), price(0.0123)
    ('1,234.50', '0.0123')
    """
    return number(value, 4 if value is not None and 0 < abs(value) < 1 else 2)


def measure(value: float | None, unit: str) -> str:
    """Write a figure in its unit.

    >>> measure(0.0851, "fraction per year"), measure(0.92, "ratio"), measure(44.0, "sessions")
    ('8.5%', '0.92', '44')
    """
    if unit.startswith("fraction"):
        return percent(value)
    if unit in ("days", "sessions", "count", "trades"):
        return number(value, 0)
    if "currency" in unit and value is not None and abs(value) >= 1_000:
        return compact(value)
    if value is not None and 0 < abs(value) < 0.001:
        return f"{value:.2e}".replace("-", MINUS)
    return number(value, 2)


def day(value: dt.date | None) -> str:
    """Write a day.

    >>> day(dt.date(2024, 6, 3))
    '3 Jun 2024'
    """
    return MISSING if value is None else f"{value.day} {value:%b %Y}"


def instant(value: dt.datetime | None) -> str:
    """Write an instant, in UTC.

    >>> instant(dt.datetime(2024, 6, 3, 21, 5, tzinfo=dt.UTC))
    '3 Jun 2024 21:05 UTC'
    """
    return MISSING if value is None else f"{day(value.astimezone(dt.UTC))} {value.astimezone(dt.UTC):%H:%M} UTC"


def sign(value: float | None) -> str:
    """Return the class that colours a value: up, down or none."""
    if value is None or not math.isfinite(value) or value == 0:
        return "flat"
    return "up" if value > 0 else "down"
