"""POST /v1/blackscholes: what European options are worth. A closed formula: nothing is read and nothing kept."""

from typing import Annotated, Literal

import msgspec
import numpy as np
from litestar.openapi.spec import Example
from litestar.params import Body
from msgspec import Meta

from api import answers, operations
from api.answers import Page
from api.errors import OptionUnclear
from transforms.options import Terms, black_scholes, implied_volatility

MAX_OPTIONS = 1_000
# Wide enough for anything that is traded, and far from where numbers overflow.
Amount = Annotated[float, Meta(ge=1e-9, le=1e12)]
Rate = Annotated[float, Meta(ge=-1, le=1)]
Volatility = Annotated[float, Meta(ge=1e-6, le=100)]
Sensitivity = float | None


class OptionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A European option, with its volatility or with its price."""

    type: Annotated[Literal["call", "put"], Meta(description="Right to buy (call) or to sell (put).")]
    spot: Annotated[Amount, Meta(description="Price of the stock now. Unit currency per share.")]
    strike: Annotated[Amount, Meta(description="Price at which it may be bought or sold. Unit currency per share.")]
    years: Annotated[float, Meta(ge=1e-6, le=100, description="Time to expiry. Unit years.")]
    rate: Annotated[Rate, Meta(description="Risk-free rate, continuously compounded. Unit fraction per year.")] = 0.0
    dividend_yield: Annotated[Rate, Meta(description="Continuously compounded. Unit fraction per year.")] = 0.0
    volatility: Annotated[
        Volatility | None, Meta(description="Give it to get the price. Unit fraction per square root of a year.")
    ] = None
    price: Annotated[
        Annotated[float, Meta(ge=0, le=1e12)] | None,
        Meta(description="Give it to get the implied volatility. Unit currency per share."),
    ] = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options to value."""

    options: Annotated[
        list[OptionAsked], Meta(min_length=1, max_length=MAX_OPTIONS, description=f"1 to {MAX_OPTIONS} options.")
    ]


class OptionValued(msgspec.Struct, frozen=True):
    """What an option is worth; null throughout where no volatility gives its price."""

    volatility: Annotated[
        Sensitivity, Meta(description="As given, or implied by the price. Unit fraction per square root of a year.")
    ]
    price: Annotated[Sensitivity, Meta(description="Unit currency per share.")]
    delta: Annotated[Sensitivity, Meta(description="Price per unit of spot. Unit ratio.")]
    vega: Annotated[Sensitivity, Meta(description="Price per 1.0 of volatility. Unit currency per share.")]
    theta: Annotated[Sensitivity, Meta(description="Price per year that passes. Unit currency per share and year.")]
    rho: Annotated[Sensitivity, Meta(description="Price per 1.0 of rate. Unit currency per share.")]
    epsilon: Annotated[Sensitivity, Meta(description="Price per 1.0 of dividend yield. Unit currency per share.")]
    gamma: Annotated[Sensitivity, Meta(description="Delta per unit of spot. Unit shares per currency.")]
    vanna: Annotated[Sensitivity, Meta(description="Delta per 1.0 of volatility. Unit ratio.")]
    charm: Annotated[Sensitivity, Meta(description="Delta per year that passes. Unit per year.")]
    vomma: Annotated[Sensitivity, Meta(description="Vega per 1.0 of volatility. Unit currency per share.")]
    veta: Annotated[Sensitivity, Meta(description="Vega per year that passes. Unit currency per share and year.")]


ASKED = Asked(
    [OptionAsked(type="call", spot=100, strike=105, years=0.5, rate=0.03, dividend_yield=0.01, volatility=0.2)]
)


def valued(options: list[OptionAsked]) -> list[OptionValued]:
    """Value each option, from the volatility that its price implies where none is given."""
    columns = {name: np.array([getattr(option, name) for option in options]) for name in Terms._fields[:-1]}
    terms = Terms(**columns, is_call=[option.type == "call" for option in options])
    volatility = np.array([np.nan if option.volatility is None else option.volatility for option in options])
    implied = implied_volatility(terms, [option.price or 0.0 for option in options])
    volatility = np.where(np.isnan(volatility), implied, volatility)
    is_known = ~np.isnan(volatility)
    found = black_scholes(terms, np.where(is_known, volatility, 1.0))
    rows = np.column_stack([volatility, *found]).tolist()
    return [
        OptionValued(*row) if known else OptionValued(*[None] * len(row))
        for row, known in zip(rows, is_known.tolist(), strict=True)
    ]


@operations.calculation(
    "/blackscholes",
    operation_id="value_options",
    summary="Value European options",
    tag="Calculations",
    scope="read:market",
    problems=[422],
    example=Page(valued(ASKED.options), answers.Meta()),
)
async def value_options(
    data: Annotated[
        Asked,
        Body(
            title="Options",
            description="Options, each with a volatility or a price.",
            examples=[Example(value=msgspec.to_builtins(ASKED))],
        ),
    ],
) -> Page[OptionValued]:
    """Price and sensitivities by Black, Scholes and Merton, in the order of the options.

    Give `volatility` to get the price, or `price` to get the volatility that it implies; where none does, as below the
    value of exercising, the row's fields are null.
    """
    unclear = [n for n, option in enumerate(data.options) if (option.volatility is None) == (option.price is None)]
    if unclear:
        raise OptionUnclear(unclear)
    return Page(valued(data.options), answers.Meta())
