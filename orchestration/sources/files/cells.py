"""From what a file holds to what a record holds, a column at a time; cells that cannot be read are marked."""

import datetime as dt
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestration.sources.files.mapping import Section

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TRUE, _FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")
_LARGEST_INTEGER = 2.0**62

BoolArray = NDArray[np.bool_]
Converted = tuple[pa.Array, BoolArray]

MUST_BE: dict[pa.DataType, str] = {
    pa.float64(): "be a number",
    pa.int64(): "be a whole number",
    pa.bool_(): "be true or false",
    pa.date32(): "be a date in the mapping's date_format",
    pa.timestamp("us", tz="UTC"): "be an instant with a time zone, as 2024-05-02T20:31:07Z",
    pa.string(): "be text",
}


def convert(cells: pa.Array, to: pa.DataType, section: Section) -> Converted:
    """Turn the cells of a file into values of a record.

    Parameters
    ----------
    cells : Array of shape (n,)
        As read: text from CSV, anything from Parquet. NaN and the mapping's `nulls` become null.
    to : DataType
        Type in the record's Arrow schema. Fractional volumes are rounded to whole shares.
    section : Section
        Formats of numbers and dates.

    Returns
    -------
    values : Array of shape (n,) of type `to`
    is_bad : bool array of shape (n,)
        Cells that hold something, but nothing of that type; their value is null.
    """
    plain = _without_nulls(cells, section)
    values = _CONVERSIONS[to](plain, section)
    is_bad = pc.and_(pc.is_valid(plain), pc.is_null(values))
    return values, np.asarray(is_bad.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _without_nulls(cells: pa.Array, section: Section) -> pa.Array:
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type):
        return _null_where(cells, pc.is_nan(cells))
    if not _is_text(cells):
        return cells
    trimmed = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    return _null_where(trimmed, pc.is_in(trimmed, value_set=pa.array(section.nulls, pa.string())))


def _is_text(cells: pa.Array) -> bool:
    return bool(pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))


def _null_where(values: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(mask, pa.scalar(None, values.type), values)


def _numbers(cells: pa.Array, section: Section) -> pa.Array:
    if not _is_text(cells):
        is_number = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
        if not (is_number or pa.types.is_decimal(cells.type)):
            return pa.nulls(len(cells), pa.float64())
        return _finite(cells.cast(pa.float64(), safe=False))
    text = cells
    if section.thousands:
        text = pc.replace_substring(text, section.thousands, "")
    if section.decimal != ".":
        text = pc.replace_substring(text, section.decimal, ".")
    text = _null_where(text, pc.invert(pc.match_substring_regex(text, _NUMBER)))
    # Arrow does not read a leading plus.
    return _finite(pc.utf8_ltrim(text, characters="+").cast(pa.float64()))


def _finite(values: pa.Array) -> pa.Array:
    return _null_where(values, pc.invert(pc.is_finite(values)))


def _integers(cells: pa.Array, section: Section) -> pa.Array:
    if pa.types.is_integer(cells.type):
        return cells.cast(pa.int64())
    numbers = pc.round(_numbers(cells, section))
    fits = _null_where(numbers, pc.greater(pc.abs(numbers), _LARGEST_INTEGER))
    return fits.cast(pa.int64())


def _dates(cells: pa.Array, section: Section) -> pa.Array:
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        return cells.cast(pa.date32(), safe=False)
    if not _is_text(cells):
        return pa.nulls(len(cells), pa.date32())
    read = pc.strptime(cells, format=section.date_format, unit="s", error_is_null=True)
    # Arrow makes 1 March of 30 February, so what does not come back as it was is read once more, strictly.
    again = pc.strftime(read, format=section.date_format)
    changed = np.flatnonzero(pc.not_equal(again, cells).fill_null(False))
    days = read.cast(pa.date32(), safe=False)
    if len(changed) == 0:
        return days
    strict = days.to_pylist()
    for row in changed.tolist():
        strict[row] = _date(cells[row].as_py(), section.date_format)
    return pa.array(strict, pa.date32())


def _date(text: str, date_format: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, date_format).date()  # noqa: DTZ007  # only the day is kept
    except ValueError:
        return None


def _instants(cells: pa.Array, _: Section) -> pa.Array:
    to = pa.timestamp("us", tz="UTC")
    if pa.types.is_timestamp(cells.type) and cells.type.tz is not None:
        return cells.cast(to, safe=False)
    if not _is_text(cells):
        return pa.nulls(len(cells), to)
    return pa.array([_instant(text) for text in cells.to_pylist()], to)


def _instant(text: str | None) -> dt.datetime | None:
    try:
        instant = dt.datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None


def _booleans(cells: pa.Array, _: Section) -> pa.Array:
    if pa.types.is_boolean(cells.type):
        return cells
    text = pc.utf8_lower(_texts(cells, _))
    is_true = pc.is_in(text, value_set=pa.array(_TRUE))
    is_known = pc.or_(is_true, pc.is_in(text, value_set=pa.array(_FALSE)))
    return _null_where(is_true, pc.invert(is_known))


def _texts(cells: pa.Array, _: Section) -> pa.Array:
    return cells.cast(pa.string())


_CONVERSIONS: dict[pa.DataType, Callable[[pa.Array, Section], pa.Array]] = {
    pa.float64(): _numbers,
    pa.int64(): _integers,
    pa.bool_(): _booleans,
    pa.date32(): _dates,
    pa.timestamp("us", tz="UTC"): _instants,
    pa.string(): _texts,
}
