"""Every record of the real files is accounted for; what must not be trusted is set aside with its reason."""

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.unwatched, pytest.mark.xdist_group("real")]

PRICES = ["open", "high", "low", "close"]
BAR = [*PRICES, "volume"]
SYMBOL_DAY = ["source_symbol", "trade_date"]
FIGURES = ["revenue", "net_income", "total_assets", "total_liabilities", "total_equity", "operating_cash_flow", "cash"]


def counted(names: pd.Series) -> str:
    """Say how often each name comes."""
    return ", ".join(f"{name} {n:,}" for name, n in names.value_counts().sort_index().items())


def test_every_bar_is_stored_or_in_quarantine_and_none_of_them_twice(pipeline, received, whole, figure):
    stored = pipeline.frame("select source_symbol, trade_date, open, high, low, close, volume from raw.daily_bars")
    stored = stored.sort_values(SYMBOL_DAY, ignore_index=True)
    pd.testing.assert_frame_equal(stored, whole[stored.columns], check_dtype=False)
    refused = pipeline.frame("select count(*) as n from raw.quarantine where entity = 'daily_bars'")["n"][0]
    figure(f"{len(received):,} bars received = {len(stored):,} stored + {refused:,} in quarantine")
    assert len(received) == len(stored) + refused == 619_608


def test_the_run_reports_the_counts_of_the_tables(pipeline, received, whole):
    reported = pipeline.ask(
        """
import json
from factorloom.environment import apply_environment
from warehouse.settings import current_settings
apply_environment(current_settings())
import dagster as dg
event = dg.DagsterInstance.get().get_latest_materialization_event(dg.AssetKey(["raw", "daily_bars"]))
metadata = event.asset_materialization.metadata
print(json.dumps({name: value.value for name, value in metadata.items() if isinstance(value.value, (int, float))}))
"""
    )
    parts = ("inserted", "updated", "unchanged", "quarantined", "exact_duplicates")
    assert reported["received"] == len(received) == sum(reported[part] for part in parts)
    assert reported["quarantined"] == len(received) - len(whole)


def test_bars_are_refused_by_the_rule_that_they_break(pipeline, received, figure):
    refused = pipeline.frame(
        "select record_key, rule, detail from raw.quarantine where entity = 'daily_bars' order by record_key"
    )
    figure(f"in quarantine: {counted(refused['rule'])}")
    prices = received[PRICES]
    is_null = prices.isna().any(axis=1)
    is_over = (prices.max(axis=1) > received["high"] * (1 + 1e-9)) & ~is_null
    is_under = (prices.min(axis=1) < received["low"] * (1 - 1e-9)) & ~is_null
    rule = pd.Series(np.select([is_null, is_over | is_under], ["missing_price", "price_order"], default=""))
    expected = received[rule != ""].assign(rule=rule)
    keys = expected["source_symbol"] + "|" + expected["trade_date"].dt.strftime("%Y-%m-%d")
    wanted = pd.DataFrame({"record_key": keys, "rule": expected["rule"]}).sort_values("record_key", ignore_index=True)
    pd.testing.assert_frame_equal(
        refused.sort_values("record_key", ignore_index=True)[["record_key", "rule"]], wanted, check_dtype=False
    )
    assert refused["detail"].str.contains("; got ").all()


def test_the_other_files_are_accounted_for_too(pipeline):
    counts = pipeline.frame(
        "select 'instruments' as entity, count(*) as n from raw.instruments"
        " union all select 'benchmark_bars', count(*) from raw.benchmark_bars"
        " union all select 'fundamentals', count(*) from raw.fundamentals"
        " union all select entity, count(*) from raw.quarantine where entity <> 'daily_bars' group by entity"
    )
    files = {"instruments": "securities", "benchmark_bars": "benchmark", "fundamentals": "fundamentals"}
    rows = {entity: len(pd.read_parquet(pipeline.folder / f"{file}.parquet")) for entity, file in files.items()}
    assert counts.groupby("entity")["n"].sum().to_dict() == rows


def test_two_companies_never_share_a_statement(pipeline):
    securities = pd.read_parquet(pipeline.folder / "securities.parquet").set_index("ticker")
    statements = pd.read_parquet(pipeline.folder / "fundamentals.parquet")
    statements["company"] = statements["ticker"].map(securities["cik"]).fillna(-1 - statements.index.to_series())
    statements["record"] = statements["ticker"] + "|annual|" + statements["period_end"].astype(str)
    of_companies = statements.groupby(["period_end", *FIGURES])["company"].transform("nunique")
    shared = statements[of_companies > 1]
    refused = pipeline.frame("select record_key, rule, detail from raw.quarantine where entity = 'fundamentals'")
    records = refused["record_key"].str.split("|").str[:3].str.join("|")
    left = shared[~shared["record"].isin(records)]
    assert len(shared) > 0
    believed = left[["period_end", *FIGURES, "company"]].drop_duplicates()
    assert not believed.duplicated(["period_end", *FIGURES]).any()
    # Nobody else is accused, and of each shared statement one company at most is believed.
    assert set(refused["rule"]) == {"another_companys_statement"}
    assert set(records) <= set(shared["record"])
    assert refused["detail"].str.contains("another company").all()


def test_all_repeated_bars_are_under_a_verdict(whole, verdicts, figure):
    moving = whole[(whole["volume"] > 0) & (whole["high"] > whole["low"])]
    repeated = moving[moving.duplicated(["source_symbol", *BAR], keep=False)]
    wrong = verdicts[verdicts["rule"] == "wrong_day"]
    figure(f"verdicts: {counted(verdicts['rule'] + ' ' + verdicts['verdict'])}")
    assert len(repeated) == 2 * moving.duplicated(["source_symbol", *BAR]).sum() > 0
    assert len(repeated.merge(wrong, on=SYMBOL_DAY)) == len(repeated)


def test_of_each_pair_of_repeated_bars_one_at_most_is_cleared(whole, verdicts):
    repeated = whole[whole.duplicated(["source_symbol", *BAR], keep=False) & (whole["volume"] > 0)]
    judged = repeated.merge(verdicts[verdicts["rule"] == "wrong_day"], on=SYMBOL_DAY)
    n_cleared = (judged["verdict"] == "cleared").groupby([judged[name] for name in ("source_symbol", *BAR)]).sum()
    assert n_cleared.max() == 1
    assert (n_cleared == 0).any()


def test_a_cleared_bar_lies_nearer_to_its_neighbours_than_its_twin(whole, verdicts):
    wrong = verdicts[verdicts["rule"] == "wrong_day"]
    bars = whole.merge(wrong[SYMBOL_DAY].assign(is_judged=True), on=SYMBOL_DAY, how="left")
    bars = bars.assign(is_judged=bars["is_judged"].notna())
    close = bars["close"].where(~bars["is_judged"]).groupby(bars["source_symbol"]).ffill()
    opened = bars["open"].where(~bars["is_judged"]).groupby(bars["source_symbol"]).bfill()
    before = close.groupby(bars["source_symbol"]).shift()
    after = opened.groupby(bars["source_symbol"]).shift(-1)
    distance = np.abs(np.log(bars["open"] / before)) + np.abs(np.log(after / bars["close"]))
    by_bar = pd.Series(distance.to_numpy(), index=pd.MultiIndex.from_frame(bars[SYMBOL_DAY]))
    cleared = wrong[wrong["verdict"] == "cleared"]
    own = by_bar.reindex(pd.MultiIndex.from_frame(cleared[SYMBOL_DAY])).to_numpy()
    twin = by_bar.reindex(pd.MultiIndex.from_frame(cleared[["source_symbol", "other_trade_date"]])).to_numpy()
    assert len(cleared) > 0
    assert (own < twin).all()


def test_a_verdict_on_a_repeated_bar_names_a_bar_in_one_ratio_with_it(whole, verdicts):
    wrong = verdicts[verdicts["rule"] == "wrong_day"]
    bar = wrong[SYMBOL_DAY].merge(whole, on=SYMBOL_DAY)
    twin = wrong.assign(trade_date=wrong["other_trade_date"])[SYMBOL_DAY].merge(whole, on=SYMBOL_DAY)
    assert len(bar) == len(twin) == len(wrong)
    ratio = bar[PRICES].to_numpy() / twin[PRICES].to_numpy()
    # Four decimals: half a step on either side, for two prices.
    step = 1e-4 / np.minimum(bar["low"], twin["low"]).to_numpy()
    assert (np.ptp(ratio, axis=1) <= 2 * step * ratio.max(axis=1)).all()


def test_no_calm_jump_of_a_third_stays_without_a_verdict(whole, verdicts):
    by_symbol = whole.groupby("source_symbol")
    gap = np.log(whole["open"] / by_symbol["close"].shift())
    usual_volume = by_symbol["volume"].transform(lambda volume: volume.rolling(21).median().shift())
    usual_range = (
        (whole["high"] / whole["low"] - 1)
        .groupby(whole["source_symbol"])
        .transform(lambda move: move.rolling(250, min_periods=20).median().shift())
    )
    is_calm = (whole["volume"] < 2 * usual_volume) & (whole["high"] / whole["low"] - 1 < 3 * usual_range)
    calm_jumps = whole[(gap.abs() > np.log(4 / 3)) & is_calm]
    suspect = verdicts[verdicts["verdict"] == "suspect"]
    # The bar after a wrong one jumps back and is right.
    previous = by_symbol["trade_date"].shift()[calm_jumps.index]
    after_suspect = calm_jumps.assign(trade_date=previous).merge(suspect, on=SYMBOL_DAY)
    own = calm_jumps.merge(suspect, on=SYMBOL_DAY)
    explained = set(zip(own["source_symbol"], own["close"], strict=True)) | set(
        zip(after_suspect["source_symbol"], after_suspect["close"], strict=True)
    )
    assert len(calm_jumps) > 0
    assert set(zip(calm_jumps["source_symbol"], calm_jumps["close"], strict=True)) <= explained


def test_a_suspected_split_is_a_jump_that_stays(whole, verdicts):
    splits = verdicts[(verdicts["rule"] == "unadjusted_split") & (verdicts["verdict"] == "suspect")]
    before = whole.groupby("source_symbol")["close"].shift()
    after = whole.groupby("source_symbol")["close"].shift(-1)
    jumps = whole.assign(gap=np.log(whole["open"] / before), stays=np.log(after / before)).merge(splits, on=SYMBOL_DAY)
    assert len(jumps) == len(splits) > 0
    assert (jumps["gap"].abs() >= 0.1).all()
    assert (jumps["stays"] / jumps["gap"] > 0.5).all()


def test_suspect_bars_stay_out_of_every_factor(pipeline, verdicts, ids):
    suspect = verdicts[(verdicts["rule"] == "wrong_day") & (verdicts["verdict"] == "suspect")]
    keys = pd.MultiIndex.from_arrays([suspect["source_symbol"].map(ids), suspect["trade_date"]])
    stored = pipeline.frame("select instrument_id, trade_date from marts.fct_daily_prices where is_suspect")
    assert set(pd.MultiIndex.from_frame(stored)) == set(keys)
    for table in ("momentum", "volatility", "price_extremes", "liquidity", "market_risk", "universe_members", "growth"):
        rows = pipeline.frame(f"select instrument_id, as_of_date from factors.fct_{table}")
        assert not pd.MultiIndex.from_frame(rows).isin(keys).any(), table
