"""The fair control: FastAPI without models, psycopg with binary cursors, msgspec: the question and its rows alone."""

import os
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI, Response
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool

from warehouse.queries.prices import Bar
from warehouse.queries.rankings import Ranked

RANKINGS = """
select
    r.rank, i.ticker, i.name, r.instrument_id, i.sector, i.market, r.as_of_date, r.score, r.signal, r.breached_limit,
    r.contribution_forecast, r.contribution_momentum, r.contribution_value, r.contribution_quality,
    r.contribution_growth, r.contribution_low_risk, r.contribution_liquidity, r.missing_groups, r.model_version_id,
    r.is_intraday, r.computed_at
from research.rankings as r
inner join marts.dim_instruments as i on i.instrument_id = r.instrument_id
where r.profile = %s and not r.is_intraday and r.as_of_date = (
    select as_of_date from research.rankings where profile = %s and not is_intraday order by as_of_date desc limit 1
)
order by r.rank, r.instrument_id
limit 50
"""
# The values that ours gives: in terms of the latest share, rounded to six decimals.
HISTORY = """
select
    p.trade_date, round(p.open_adj * b.m) / 1e6::float8, round(p.high_adj * b.m) / 1e6::float8,
    round(p.low_adj * b.m) / 1e6::float8, round(p.close_adj * b.m) / 1e6::float8,
    round(p.volume_adj * b.share_factor)::bigint, 1, p.is_suspect
from marts.dim_instruments as i
cross join lateral (
    select 1e6::float8 / coalesce(adjustment_factor, 1)::float8 as m, coalesce(split_factor, 1)::float8 as share_factor
    from marts.fct_daily_prices
    where instrument_id = i.instrument_id
    order by trade_date desc
    limit 1
) as b
inner join marts.fct_daily_prices as p on p.instrument_id = i.instrument_id
where i.ticker = %s
order by p.trade_date
"""
pool = AsyncConnectionPool(os.environ["PEER_URL"], min_size=8, max_size=8, open=False, kwargs={"autocommit": True})


@asynccontextmanager
async def connected(_: FastAPI):
    await pool.open()
    yield
    await pool.close()


app = FastAPI(lifespan=connected)


async def rows(shape, sql, parameters):
    async with pool.connection() as connection, connection.cursor(binary=True, row_factory=args_row(shape)) as cursor:
        await cursor.execute(sql, parameters)
        return await cursor.fetchall()


@app.get("/rankings")
async def rankings(profile: str = "balanced") -> Response:
    found = await rows(Ranked, RANKINGS, [profile, profile])
    return Response(msgspec.json.encode(found), media_type="application/json")


@app.get("/history/{ticker}")
async def history(ticker: str) -> Response:
    return Response(msgspec.json.encode(await rows(Bar, HISTORY, [ticker])), media_type="application/json")
