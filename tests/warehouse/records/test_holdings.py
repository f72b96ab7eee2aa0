"""Files of holdings: what brokers write is read, and every hostile input is refused with the row and the reason."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.records.errors import FileRefused
from warehouse.records.holdings import MAX_BYTES, MAX_ROWS, Holding, read_csv, read_json

HEADER = b"ticker,quantity,price paid\n"
ZIP = b"PK\x03\x04" + bytes(100)
GZIP = b"\x1f\x8b\x08" + bytes(100)
REFUSED_CSV = {
    "empty": (b"", "no column says ticker"),
    "only a header": (HEADER, "at least one holding"),
    "no header": (b"ACME,10,1\n", "no column says"),
    "a column twice": (b"ticker,symbol,quantity\nA,B,1\n", "two columns say ticker"),
    "unterminated quote": (HEADER + b'"ACME,10,1\nZETA,5,2\n', "must be CSV"),
    "text after a quote": (HEADER + b'"ACME"x,10,1\n', "must be CSV"),
    "a short row": (HEADER + b"ACME,10\n", "must have 3 fields"),
    "a long row": (HEADER + b"ACME,10,1,9\n", "must have 3 fields"),
    "NUL": (HEADER + b"AC\x00ME,10,1\n", "U+0000"),
    "escape": (HEADER + b"ACME,10\x1b[2J,1\n", "U+001B"),
    "right-to-left override": (HEADER + "AC\u202eME,10,1\n".encode(), "U+202E"),
    "cp1252": (HEADER + b"ACM\xc9,10,1\n", "byte 30 is not"),
    "utf-16": ("ticker,quantity\nACME,1\n".encode("utf-16"), "must be UTF-8"),
    "a surrogate": (HEADER + b"AC\xed\xa0\x80,10,1\n", "must be UTF-8"),
    "archive": (ZIP, "U+0003"),
    "gzip": (GZIP, "must be UTF-8"),
    "a field too long": (HEADER + b"A" * 300 + b",10,1\n", "must not exceed 256"),
    "a cell over two lines": (HEADER + b'"AC\nME",10,1\n', "one line"),
    "too many columns": (b",".join([b"ticker", b"quantity", *[b"x"] * 50]) + b"\n", "40 columns"),
    "too many rows": (HEADER + b"".join(b"T%d,1,1\n" % n for n in range(MAX_ROWS + 1)), "5000 rows"),
    "too many bytes": (HEADER + b" " * MAX_BYTES, "must not exceed 1000000 bytes"),
    "a ticker twice": (HEADER + b"ACME,10,1\nacme,5,1\n", "ACME stands in row 1 already"),
    "a formula": (HEADER + b"\"=cmd|'/c calc'!A0\",1,1\n", "The ticker must be"),
    "sql": (HEADER + b"A'; drop table app.users; --,1,1\n", "The ticker must be"),
    "a path": (HEADER + b"../../etc/passwd,1,1\n", "The ticker must be"),
    "html": (HEADER + b"<script>,1,1\n", "The ticker must be"),
    "nothing held": (HEADER + b"ACME,0,1\n", "must not be 0 shares"),
    "a negative price": (HEADER + b"ACME,1,-1\n", "must not be negative"),
    "too many shares": (HEADER + b"ACME,9999999999999,1\n", "must not be larger than 1000000000000"),
    "a thousands comma": (HEADER + b'ACME,"1,000",1\n', "plain number"),
    "a decimal comma between commas": (HEADER + b'ACME,"1,5",1\n', "plain number"),
}
NO_NUMBERS = [
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "1e3",
    "1_000",
    "\u0663",
    "0x10",
    "1.",
    ".5",
    "--1",
    "1 000",
    "",
    "1.123456789",
]


@pytest.mark.parametrize(("body", "reason"), list(REFUSED_CSV.values()), ids=list(REFUSED_CSV))
def test_a_hostile_csv_is_refused_with_the_reason(body: bytes, reason: str):
    with pytest.raises(FileRefused) as refused:
        read_csv(body)
    assert any(reason in problem.problem for problem in refused.value.problems), refused.value.problems


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_a_number_to_python_alone_is_none_here(number: str):
    csv = f"{HEADER.decode()}ACME,{number},1\n"
    json = f'{{"holdings": [{{"ticker": "ACME", "quantity_shares": "{number}"}}]}}'
    for read, body in ((read_csv, csv), (read_json, json)):
        with pytest.raises(FileRefused) as refused:
            read(body.encode())
        assert [problem.field for problem in refused.value.problems] == ["quantity_shares"]


def test_every_row_that_does_not_hold_is_named():
    body = HEADER + b"ACME,10,1\nZETA,many,1\nMETA,1,-5\n=1+1,1,1\n"
    with pytest.raises(FileRefused) as refused:
        read_csv(body)
    assert [(problem.row, problem.field) for problem in refused.value.problems] == [
        (2, "quantity_shares"), (3, "cost_price"), (4, "ticker"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"ticker,quantity,price paid\nACME,10.5,12.25\nBRK.B,-3,\n",
        b"\xef\xbb\xbfTicker,Quantity,Price Paid\r\nacme,10.5,12.25\r\n\r\nbrk.b,-3,\r\n",
        b"Symbol;Antal;GAV\nACME;10,5;12,25\nBRK.B;-3;\n",
        b"name\tsymbol\tshares\tavg cost\nAcme, Inc.\tACME\t10.5\t12.25\nBerkshire\tBRK.B\t-3\t\n",
        b'"Price Paid","Shares","Stock"\n"12.25","10.5","ACME"\n"","-3","BRK.B"\n',
    ],
)
def test_what_brokers_write_is_read(body: bytes):
    assert read_csv(body) == [
        Holding("ACME", Decimal("10.5"), Decimal("12.25"), 1),
        Holding("BRK.B", Decimal(-3), None, 2),
    ]


def test_json_keeps_all_digits_of_numbers_written_as_text():
    body = b'{"holdings": [{"ticker": "acme", "quantity_shares": "123456789012.12345678"}, {"ticker": "B", "quantity_shares": 0.1, "cost_price": 1e2}]}'  # noqa: E501
    assert read_json(body) == [
        Holding("ACME", Decimal("123456789012.12345678"), None, 1),
        Holding("B", Decimal("0.1"), Decimal(100), 2),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"holdings": []}',
        b'{"holdings": 1}',
        b"[" * 100_000,
        b'{"holdings": ' * 50_000,
        b'{"holdings": [{"ticker": "A"}]}',
        b'{"holdings": [{"ticker": "A", "quantity_shares": 1, "user_id": "x"}]}',
        b'{"holdings": [{"ticker": "A", "quantity_shares": NaN}]}',
        b'{"holdings": [{"ticker": "A", "quantity_shares": 1e400}]}',
        b'{"holdings": [{"ticker": "A", "quantity_shares": true}]}',
        b'{"holdings": [{"ticker": "A\\u0000", "quantity_shares": 1}]}',
        b'{"holdings": [{"ticker": "\\ud800", "quantity_shares": 1}]}',
        b'{"holdings": [{"ticker": "\xff", "quantity_shares": 1}]}',
        b'{"holdings": [{"ticker": "A", "quantity_shares": 99999999999999999999999}]}',
        b'{"holdings": [' + b",".join([b'{"ticker": "T", "quantity_shares": 1}'] * (MAX_ROWS + 1)) + b"]}",
        b'{"holdings": [{"ticker": "A", "quantity_shares": 1}, {"ticker": "a", "quantity_shares": 1}]}',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_hostile_json_is_refused(body: bytes):
    with pytest.raises(FileRefused):
        read_json(body)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(noise: bytes):
    for read in (read_csv, read_json):
        for body in (noise, HEADER + noise):
            try:
                found = read(body)
            except FileRefused:
                continue
            assert all(one.quantity_shares.is_finite() and one.ticker.isascii() for one in found)
