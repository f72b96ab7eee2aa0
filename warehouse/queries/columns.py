"""Columns of several answers, each with its sentence and unit, so that one quantity reads the same everywhere."""

import datetime as dt
from typing import Annotated

from msgspec import Meta

InstrumentId = Annotated[str, Meta(description="Our id of the instrument; it stays when the ticker changes.")]
Ticker = Annotated[str, Meta(description="Canonical ticker today: upper case, class shares with a dot.")]
Name = Annotated[str | None, Meta(description="Company and share class.")]
Sector = Annotated[str | None, Meta(description="Sector in the source's classification.")]
Market = Annotated[str | None, Meta(description="Market segment in the source's words.")]
CurrencyCode = Annotated[str | None, Meta(description="Currency of the amounts, ISO 4217.")]
Source = Annotated[str | None, Meta(description="Source that said it; `simulated` is not a real market.")]
AsOfDate = Annotated[dt.date, Meta(description="Last day whose information the row uses.")]
ComputedAt = Annotated[dt.datetime, Meta(description="When the row was written or last changed, UTC.")]
Money = Annotated[float | None, Meta(description="Unit currency.")]
Points = Annotated[float, Meta(description="What it adds to the score. Unit points.")]
