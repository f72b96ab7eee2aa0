"""Errors of this folder; each is a kind of problem (RFC 9457) that a client can tell by its code.

ApiProblem
├── BadRequest          400
│   ├── ParameterUnknown, ParameterRepeated, ParameterInvalid, TextInvalid, BodyNested
│   └── CursorInvalid, CursorMismatch
├── NotFound            404
│   ├── TickerUnknown, BacktestUnknown, ReportMissing, ModelUnknown, PriceMissing
│   └── BeforeFirstDate, NothingInRange, ProblemUnknown
├── TickerRenamed       307
├── NotAcceptable       406
├── BodyTooSlow         408
├── CursorExpired       410
├── MediaTypeUnsupported 415
├── Unprocessable       422
│   └── ParameterConflict, ValueUnknown, AsTradedUnavailable, OptionUnclear
├── RateLimited, StreamsFull 429
└── Unavailable         503
    └── AnswerTooSlow, DatabaseBusy, DatabaseUnreachable, QueryTooSlow, DatasetMissing, NotReady
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec


class ParameterError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One parameter, or one place in the body (a JSON pointer), and what is wrong with it."""

    parameter: str | None = None
    code: str = ""
    message: str = ""
    pointer: str | None = None


class ApiProblem(Exception):
    """An answer other than the one that was asked for."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, detail: str, *, errors: Sequence[ParameterError] = (), **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.members = members
        self.headers: dict[str, str] = {}
        if self.retry_after_seconds is not None:
            self.headers["Retry-After"] = str(self.retry_after_seconds)


class BadRequest(ApiProblem):
    """The request cannot be read."""

    status = 400
    code = "bad-request"
    title = "The request cannot be read"


class TextInvalid(BadRequest):
    """A text holds bytes that are no text."""

    code = "text-invalid"
    title = "A text must be UTF-8 without control characters"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: must be UTF-8 without control characters. Encode it as UTF-8, then per cent.")


class ParameterUnknown(BadRequest):
    """The operation has no such parameter; nothing is ignored."""

    code = "parameter-unknown"
    title = "The operation has no such parameter"

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none"
        errors = [ParameterError(shown(name), "unknown", f"Known here: {listed}.") for name in unknown]
        names = ", ".join(shown(name) for name in unknown)
        super().__init__(f"query: parameters must be among {listed}; got {names}. Remove it.", errors=errors)


class ParameterRepeated(BadRequest):
    """A parameter was given twice."""

    code = "parameter-repeated"
    title = "A parameter may be given once"

    def __init__(self, repeated: Sequence[str]) -> None:
        errors = [ParameterError(name, "repeated", "Give it once; lists are separated by commas.") for name in repeated]
        super().__init__(
            f"query: each parameter may be given once; got {', '.join(repeated)} again. Separate values by commas.",
            errors=errors,
        )


class ParameterInvalid(BadRequest):
    """A value has not the type or range that the parameter wants."""

    code = "parameter-invalid"
    title = "A parameter has a value that it cannot have"

    def __init__(self, errors: Sequence[ParameterError]) -> None:
        listed = "; ".join(f"{error.parameter or error.pointer}: {error.message}" for error in errors)
        super().__init__(f"{listed}. See /docs for what each parameter takes.", errors=errors)


class BodyNested(BadRequest):
    """The body is nested deeper than anything that is asked for here."""

    code = "body-nested"
    title = "The body is nested too deeply"

    def __init__(self) -> None:
        super().__init__("body: lists and objects must be nested as documented; they go far deeper. See /docs.")


class BodyTooSlow(ApiProblem):
    """The body takes longer to arrive than it may."""

    status = 408
    code = "body-too-slow"
    title = "The body arrives too slowly"

    def __init__(self, n_bytes: int) -> None:
        super().__init__(f"body: must arrive at 16 kB a second or more; {n_bytes} bytes came. Send it again, faster.")


class RateLimited(ApiProblem):
    """The client has asked more often than it may."""

    status = 429
    code = "rate-limited"
    title = "The client asks more often than it may"

    def __init__(self, per_minute: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"requests: must be at most {per_minute} a minute; more came. Ask again in {retry_after_seconds} s."
        )
        self.headers["Retry-After"] = str(retry_after_seconds)


class MediaTypeUnsupported(ApiProblem):
    """The body is in another format."""

    status = 415
    code = "media-type-unsupported"
    title = "The body is in a format that is not read here"

    def __init__(self, media_type: str, accepted: Sequence[str]) -> None:
        given, listed = shown(media_type) or "none", " or ".join(accepted)
        super().__init__(f"body: must be {listed}; got {given}. Say in Content-Type what you send.")


class CursorInvalid(BadRequest):
    """The cursor is not one of ours."""

    code = "cursor-invalid"
    title = "The cursor is not one that was handed out here"

    def __init__(self) -> None:
        super().__init__("cursor: must be the `next` of an earlier answer, unchanged. Start again without a cursor.")


class CursorMismatch(BadRequest):
    """The cursor belongs to another question."""

    code = "cursor-mismatch"
    title = "The cursor belongs to other filters"

    def __init__(self) -> None:
        super().__init__("cursor: filters must be those of the first page. Repeat them, or start without a cursor.")


class StreamsFull(ApiProblem):
    """The client follows as many streams as it may, or everybody together does."""

    status = 429
    code = "streams-full"
    title = "There are as many streams as there may be"
    retry_after_seconds = 10

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"stream: a client may follow {limit} at once, all together more. End one, or come back later."
        )


class CursorExpired(ApiProblem):
    """The data has changed since the first page."""

    status = 410
    code = "cursor-expired"
    title = "The data has changed since the cursor was handed out"

    def __init__(self) -> None:
        super().__init__("cursor: the data must be the same on every page; it has changed. Start without a cursor.")


class NotFound(ApiProblem):
    """There is no such thing."""

    status = 404
    code = "not-found"
    title = "There is nothing at this address"


class TickerUnknown(NotFound):
    """No instrument has this ticker."""

    code = "ticker-unknown"
    title = "No instrument has this ticker"

    def __init__(self, tickers: Sequence[str]) -> None:
        listed = ", ".join(shown(ticker) for ticker in tickers)
        errors = [ParameterError("ticker", "unknown", shown(ticker)) for ticker in tickers]
        super().__init__(f"ticker: must be a known one; got {listed}. Find it by /v1/instruments?q=.", errors=errors)


class NotAcceptable(ApiProblem):
    """The operation has no format that the client takes."""

    status = 406
    code = "not-acceptable"
    title = "There is no such format of this answer"

    def __init__(self, accept: str, known: Sequence[str]) -> None:
        super().__init__(
            f"accept: must take one of {', '.join(known)}; got {shown(accept)}. Leave the header out for JSON.",
            known=list(known),
        )


class TickerRenamed(ApiProblem):
    """The instrument goes by another ticker now."""

    status = 307
    code = "ticker-renamed"
    title = "The instrument has another ticker now"

    def __init__(self, ticker: str, successor: str, location: str) -> None:
        super().__init__(f"ticker: {ticker} is {successor} now. Follow the Location header.", successor=successor)
        self.headers["Location"] = location


class BacktestUnknown(NotFound):
    """No backtest has this id."""

    code = "backtest-unknown"
    title = "No backtest has this id"

    def __init__(self, backtest_id: str) -> None:
        super().__init__(f"backtest_id: must be a known one; got {shown(backtest_id)}. See /v1/backtests.")


class ReportMissing(NotFound):
    """A backtest has no report."""

    code = "report-missing"
    title = "The backtest has no report"

    def __init__(self, backtest_id: str) -> None:
        super().__init__(
            f"backtest_id: must be of a backtest with a report in the store; {shown(backtest_id)} has none. Ask for a "
            "job of kind backtest: it writes one."
        )


class ModelUnknown(NotFound):
    """No forecaster has this id."""

    code = "model-unknown"
    title = "No forecaster has this id"

    def __init__(self, model_id: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none yet"
        super().__init__(
            f"model_id: must be one of {listed}; got {shown(model_id)}. See /v1/models.", known=list(known)
        )


class PriceMissing(NotFound):
    """The instrument is known, but no price of it is."""

    code = "price-missing"
    title = "No price of this instrument is known"

    def __init__(self, ticker: str) -> None:
        super().__init__(f"ticker: must have a price; {ticker} has none yet. Choose another, or ask again later.")


class BeforeFirstDate(NotFound):
    """Nothing was known yet on that day."""

    code = "before-first-date"
    title = "Nothing was known yet on that day"

    def __init__(self, what: str, *, as_of: dt.date | None, first_date: dt.date | None) -> None:
        if first_date is None:
            super().__init__(f"{what}: there is none yet. It appears once the pipeline has run.")
        else:
            super().__init__(
                f"as_of: {what} must be asked for from {first_date} on; got {as_of}. Ask for a later day.",
                first_date=first_date,
            )


class NothingInRange(NotFound):
    """The instrument is known, but not in these days."""

    code = "nothing-in-range"
    title = "There is nothing between these days"

    def __init__(self, what: str, *, start: dt.date, end: dt.date) -> None:
        super().__init__(f"{what}: there is none from {start} to {end}. Widen the range.")


class ProblemUnknown(NotFound):
    """No kind of problem has this code."""

    code = "problem-unknown"
    title = "No kind of problem has this code"

    def __init__(self, code: str) -> None:
        super().__init__(f"code: must be one that /problems lists; got {shown(code)}. See /problems.")


class Unprocessable(ApiProblem):
    """Each part can be read, but together they ask for nothing."""

    status = 422
    code = "unprocessable"
    title = "The request asks for something that cannot be"


class ParameterConflict(Unprocessable):
    """Two parameters do not go together."""

    code = "parameter-conflict"
    title = "Two parameters do not go together"


class ValueUnknown(Unprocessable):
    """A filter names something that does not exist."""

    code = "value-unknown"
    title = "A filter names something that does not exist"

    def __init__(self, parameter: str, value: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none yet"
        super().__init__(
            f"{parameter}: must be one of {listed}; got {shown(value)}. Choose one of these.",
            errors=[ParameterError(parameter, "unknown-value", shown(value))],
            known=list(known),
        )


class AsTradedUnavailable(Unprocessable):
    """The source delivers adjusted prices only."""

    code = "as-traded-unavailable"
    title = "The source delivers adjusted prices only"

    def __init__(self, ticker: str, adjustment: str) -> None:
        super().__init__(
            f"adjusted: must be true for {ticker}, whose source gives prices adjusted for {adjustment}; got false."
            " Leave the parameter out."
        )


class OptionUnclear(Unprocessable):
    """An option has both volatility and price, or neither."""

    code = "option-unclear"
    title = "An option needs a volatility or a price, and not both"

    def __init__(self, places: Sequence[int]) -> None:
        errors = [ParameterError(f"options[{place}]", "unclear", "Give volatility or price.") for place in places]
        super().__init__(
            f"options: each must have a volatility or a price, and not both; got {len(places)} that do not, the first "
            f"at {places[0]}. Give volatility to get the price, or price to get the volatility.",
            errors=errors,
        )


class Unavailable(ApiProblem):
    """It cannot be answered now, but later it may."""

    status = 503
    code = "unavailable"
    title = "This cannot be answered now"
    retry_after_seconds = 1


class AnswerTooSlow(Unavailable):
    """The answer takes longer than it may."""

    code = "answer-too-slow"
    title = "The answer takes longer than it may"
    retry_after_seconds = 5

    def __init__(self, seconds: float) -> None:
        super().__init__(f"answer: must begin within {seconds:g} s; it did not. Ask for less, or try again.")


class DatabaseBusy(Unavailable):
    """Every connection is taken."""

    code = "database-busy"
    title = "Every connection to the database is taken"

    def __init__(self) -> None:
        super().__init__("database: a connection must come free within 250 ms; none did. Try again in a second.")


class DatabaseUnreachable(Unavailable):
    """The database does not answer."""

    code = "database-unreachable"
    title = "The database does not answer"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("database: must be reachable; it is not. Try again; if it stays so, run `factorloom doctor`.")


class QueryTooSlow(Unavailable):
    """The database took longer than it may."""

    code = "query-too-slow"
    title = "The database took longer than it may"
    retry_after_seconds = 5

    def __init__(self) -> None:
        super().__init__("database: a query may take 2 s; this one took longer. Ask for less, or try again.")


class DatasetMissing(Unavailable):
    """A table has not been built yet."""

    code = "dataset-missing"
    title = "A table has not been built yet"
    retry_after_seconds = 60

    def __init__(self) -> None:
        super().__init__("database: the pipeline must have run once; a table is not there yet. Run `make run`.")


class NotReady(Unavailable):
    """The service cannot answer questions now."""

    code = "not-ready"
    title = "The service is not ready"


def shown(text: str) -> str:
    """Return a text of a client as it may be repeated: short, and of printable ASCII."""
    return ascii(text)[1:-1][:80]
