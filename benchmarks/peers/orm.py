"""FastAPI, SQLAlchemy 2 (async, psycopg) and pydantic response models, as most comparable systems are built."""

import datetime as dt
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["PEER_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=8)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """Tables as classes."""


class Ranking(Base):
    """One instrument in the order of a day."""

    __tablename__ = "rankings"
    __table_args__ = {"schema": "research"}  # noqa: RUF012
    profile: Mapped[str] = mapped_column(primary_key=True)
    as_of_date: Mapped[dt.date] = mapped_column(primary_key=True)
    is_intraday: Mapped[bool] = mapped_column(primary_key=True)
    instrument_id: Mapped[str] = mapped_column(primary_key=True)
    rank: Mapped[int | None]
    score: Mapped[float]
    signal: Mapped[str]
    contribution_forecast: Mapped[float]
    contribution_momentum: Mapped[float]
    contribution_value: Mapped[float]
    contribution_quality: Mapped[float]
    contribution_growth: Mapped[float]
    contribution_low_risk: Mapped[float]
    contribution_liquidity: Mapped[float]
    computed_at: Mapped[dt.datetime]


class Instrument(Base):
    """One instrument."""

    __tablename__ = "dim_instruments"
    __table_args__ = {"schema": "marts"}  # noqa: RUF012
    instrument_id: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str]
    name: Mapped[str | None]
    sector: Mapped[str | None]
    market: Mapped[str | None]


class Price(Base):
    """One session."""

    __tablename__ = "fct_daily_prices"
    __table_args__ = {"schema": "marts"}  # noqa: RUF012
    instrument_id: Mapped[str] = mapped_column(primary_key=True)
    trade_date: Mapped[dt.date] = mapped_column(primary_key=True)
    open_adj: Mapped[float]
    high_adj: Mapped[float]
    low_adj: Mapped[float]
    close_adj: Mapped[float]
    volume_shares: Mapped[int]
    is_suspect: Mapped[bool]


class RankingOut(BaseModel):
    """A ranking as it is sent."""

    model_config = ConfigDict(from_attributes=True)
    rank: int | None
    ticker: str
    name: str | None
    instrument_id: str
    sector: str | None
    market: str | None
    as_of_date: dt.date
    score: float
    signal: str
    contribution_forecast: float
    contribution_momentum: float
    contribution_value: float
    contribution_quality: float
    contribution_growth: float
    contribution_low_risk: float
    contribution_liquidity: float
    computed_at: dt.datetime


class BarOut(BaseModel):
    """A session as it is sent."""

    model_config = ConfigDict(from_attributes=True)
    trade_date: dt.date
    open_adj: float
    high_adj: float
    low_adj: float
    close_adj: float
    volume_shares: int
    is_suspect: bool


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


@app.get("/rankings", response_model=list[RankingOut])
async def rankings(session: Session, profile: str = "balanced", limit: int = 50):
    newest = (
        select(Ranking.as_of_date)
        .where(Ranking.profile == profile, Ranking.is_intraday.is_(False))
        .order_by(Ranking.as_of_date.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = await session.execute(
        select(Ranking, Instrument)
        .join(Instrument, Instrument.instrument_id == Ranking.instrument_id)
        .where(Ranking.profile == profile, Ranking.is_intraday.is_(False), Ranking.as_of_date == newest)
        .order_by(Ranking.rank, Ranking.instrument_id)
        .limit(limit)
    )
    return [
        {
            **{name: getattr(ranking, name) for name in RankingOut.model_fields if hasattr(ranking, name)},
            "ticker": instrument.ticker,
            "name": instrument.name,
            "sector": instrument.sector,
            "market": instrument.market,
        }
        for ranking, instrument in found
    ]


@app.get("/history/{ticker}", response_model=list[BarOut])
async def history(session: Session, ticker: str):
    return (
        await session.scalars(
            select(Price)
            .join(Instrument, Instrument.instrument_id == Price.instrument_id)
            .where(Instrument.ticker == ticker)
            .order_by(Price.trade_date)
        )
    ).all()
