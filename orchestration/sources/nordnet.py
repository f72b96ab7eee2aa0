"""Nordnet's External API: instruments and prices now, for account holders; no daily history and no statements.

The login is a challenge signed with the account's Ed25519 key. Nothing found is a 204 without a body; prices are
numbers here and text in another search; optional fields are simply absent.
"""

import base64
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from orchestration.sources.answers import Answer, Verdict, by_status, retry_after, verdict
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind, OptionOutOfRange, VendorRefused
from orchestration.sources.ledger import Plan
from orchestration.sources.makers import quote, scaled
from orchestration.sources.records import Batch, Instrument, Quote
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.vendor import QuotingSource, VendorOptions
from orchestration.sources.wire import NOTHING, Number, currency, gather, instant, json_of, rows_of, symbol, text

_COUNTRIES = {"XSTO": "se", "XOSL": "no", "XCSE": "dk", "XHEL": "fi"}
_PAGE = 50
_PAUSE = dt.timedelta(seconds=10)
# A session lasts half an hour after its last use; it is renewed well before.
_SESSION = dt.timedelta(minutes=20)


class Challenge(msgspec.Struct):
    """What is to be signed."""

    challenge: str


class Session(msgspec.Struct):
    """A login."""

    session_key: str


class Price(msgspec.Struct):
    """A price and its number of decimals."""

    price: Number = None


class PriceInfo(msgspec.Struct):
    """Prices now; `tick_timestamp` in milliseconds."""

    last: Price | None = None
    open: Price | None = None
    high: Price | None = None
    low: Price | None = None
    close: Price | None = None
    tick_timestamp: Number = None
    turnover_volume: Number = None


class InstrumentInfo(msgspec.Struct):
    """What an instrument is."""

    symbol: str | None = None
    name: str | None = None
    currency: str | None = None
    isin: str | None = None
    instrument_id: int | None = None


class Found(msgspec.Struct):
    """An instrument and its prices."""

    instrument_info: InstrumentInfo
    price_info: PriceInfo | None = None


class Page(msgspec.Struct):
    """A page of the list."""

    results: msgspec.Raw = NOTHING
    total_hits: int | None = None


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers by the status; too many requests means ten seconds, a lost session a new login."""
    if answer.status == 429:
        return Verdict(Kind.QUOTA_MINUTE, f"429 {answer.text}", retry_after(answer.headers, now) or now + _PAUSE)
    if answer.status in (400, 401, 403) and b"NEXT_INVALID_SESSION" in answer.body[:500]:
        return verdict(Kind.AUTH, answer, now)
    return by_status(answer, now)


def signature(private_key: str, challenge: str) -> str:
    """Sign a challenge with an Ed25519 key, in OpenSSH's or PEM's form; base64.

    Raises
    ------
    OptionOutOfRange
        If the text is no such key; it is not shown.
    """
    load = load_ssh_private_key if "OPENSSH" in private_key else load_pem_private_key
    try:
        key = load(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        must = "be an Ed25519 key without a password (the value is not shown)"
        raise OptionOutOfRange("nordnet", "FACTORLOOM_NORDNET_PRIVATE_KEY", must=must, got="something else")
    return base64.b64encode(key.sign(challenge.encode())).decode()


class NordnetSource(QuotingSource):
    """Instruments of a Nordic exchange and their prices now."""

    name: ClassVar[str] = "nordnet"
    label: ClassVar[str] = "Instruments and live prices from Nordnet; without history."
    plans: ClassVar = {"account": Plan("account", spacing_seconds=0.2)}
    _session: tuple[str, dt.datetime] | None = None

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        if not options.private_key:
            raise OptionOutOfRange(self.name, "FACTORLOOM_NORDNET_PRIVATE_KEY", must="be set", got=None)
        country = _COUNTRIES.get(self._calendar.code, "se")
        return Vendor(
            name=self.name,
            base_url=options.base_url or f"https://public.nordnet.{country}/api/2",
            # The key goes into the login's form alone, and nowhere by itself.
            credential=Credential(options.api_key),
            plan=self.plan,
            judge=judge,
        )

    def instruments(self) -> Iterator[Batch]:
        """Instruments of the country's list."""
        for rows in self._list():
            yield gather(Instrument, "instruments", rows, self._instrument, about="stocklist")

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices now, of all instruments of the list or of some."""
        wanted = frozenset(self._options.symbols if symbols is None else symbols)
        for rows in self._list():
            asked = [row for row in rows if not wanted or _name_of(row) in wanted]
            yield gather(Quote, "quotes", asked, _quote, about="stocklist")

    def _list(self) -> Iterator[list[Found | bytes]]:
        def page_at(offset: int) -> tuple[list[Found | bytes], int | None]:
            parameters = {"limit": str(_PAGE), "offset": str(offset), "sort_attribute": "name", "sort_order": "asc"}
            page = self._page(parameters)
            return ([], 0) if page is None else (rows_of(page.results, Found), page.total_hits)

        yield from self._by_offset(page_at, _PAGE)

    def _page(self, parameters: dict[str, str]) -> Page | None:
        """Return a page of the list; where the session was lost, by a new login."""
        path = "instrument_search/query/stocklist"
        try:
            return self.transport.fetch(Call(path, json_of(Page), parameters, headers=self._authorization()))
        except VendorRefused as error:
            if error.kind is not Kind.AUTH:
                raise
            self._session = None
        return self.transport.fetch(Call(path, json_of(Page), parameters, headers=self._authorization()))

    def _authorization(self) -> dict[str, str]:
        """Return the header of a login that is not old, which may be a new one."""
        now = self._now()
        if self._session is None or now - self._session[1] > _SESSION:
            self._session = (self._log_in(), now)
        key = self._session[0]
        return {"authorization": f"Basic {base64.b64encode(f'{key}:{key}'.encode()).decode()}"}

    def _log_in(self) -> str:
        options = self._options
        who = {"api_key": options.api_key or ""}
        started = self.transport.fetch(Call("login/start", json_of(Challenge), method="POST", form=who))
        signed = signature(options.private_key or "", "" if started is None else started.challenge)
        proof = {**who, "service": "NEXTAPI", "signature": signed}
        verified = self.transport.fetch(Call("login/verify", json_of(Session), method="POST", form=proof))
        return "" if verified is None else verified.session_key

    def _instrument(self, wire: Found) -> Instrument | None:
        told = wire.instrument_info
        name = symbol(told.symbol)
        if not self._wanted(name):
            return None
        return Instrument(
            source_symbol=name,
            ticker=self._canonical(name),
            stable_id=text(told.isin),
            name=text(told.name),
            exchange_code=self._calendar.code,
            market="stocks",
            currency_code=currency(told.currency)[0],
        )


def _name_of(row: Found | bytes) -> str | None:
    return row.instrument_info.symbol if isinstance(row, Found) else None


def _quote(row: Found) -> Quote | None:
    """Return the price now; None where there is none."""
    told, info = row.instrument_info, row.price_info or PriceInfo()
    money, session = currency(told.currency), _Session(info)
    price = scaled(session.last, money[1])
    if price is None or price <= 0:
        return None
    at = instant(info.tick_timestamp, per_second=1000)
    return quote(session, symbol(told.symbol), price, at, money, before=session.before)


class _Session:
    """The figures of a session, taken out of the pairs that they come in."""

    def __init__(self, info: PriceInfo) -> None:
        self.last, self.open, self.high, self.low, self.before = (
            None if pair is None else pair.price for pair in (info.last, info.open, info.high, info.low, info.close)
        )
        self.volume = info.turnover_volume
