"""The jobs of the pipeline: each is a part of the way, and can be launched from the UI with no configuration."""

import dagster as dg

NEWS = dg.AssetSelection.assets(["raw", "news_articles"])
RAW = (dg.AssetSelection.groups("market_data", "fundamentals") | NEWS) - dg.AssetSelection.assets(["raw", "quotes"])
FACTORS = dg.AssetSelection.groups(
    "staging", "intermediate", "marts", "factors", "indicators"
) | dg.AssetSelection.assets(["research", "news_sentiment"])
RANKED = dg.AssetSelection.groups("rankings", "index", "strategies") | dg.AssetSelection.assets(
    ["research", "forecasts"],
    ["research", "evaluation_days"],
    ["research", "trials"],
    ["research", "evaluations"],
    ["research", "evaluations_by_retraining"],
    ["research", "signals"],
    ["research", "model_drift"],
    ["app", "published_documents"],
)

ingest = dg.define_asset_job(
    "ingest",
    selection=RAW,
    description="Everything that the source has, for a range of sessions: bars, verdicts, actions, statements, news.",
)

build_factors = dg.define_asset_job(
    "build_factors",
    selection=FACTORS,
    description="Marts, factor tables, indicators and the tone of news from raw, for a range of sessions.",
)

ingest_market_data = dg.define_asset_job(
    "ingest_market_data",
    selection=RAW - dg.AssetSelection.groups("fundamentals"),
    description="End-of-day data from the source, for a range of sessions; automation carries it downstream.",
)

ingest_fundamentals = dg.define_asset_job(
    "ingest_fundamentals",
    selection=dg.AssetSelection.groups("fundamentals"),
    description="Company statements from the source, for a range of sessions.",
)

carry_downstream = dg.define_asset_job(
    "carry_downstream",
    selection=FACTORS | RANKED,
    description="Everything that is computed from raw, for a range of sessions whose inputs have changed.",
)

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(["research", "model_versions"]),
    description="Walk-forward training, for a range of quarters.",
)

tune = dg.define_asset_job(
    "tune",
    selection=dg.AssetSelection.assets(["research", "parameter_choices"]),
    description="Choose the parameters of a forecaster by nested walk-forward, for quarters to come: each candidate "
    "is judged on quarters before the one that may use the choice. The launchpad takes forecaster, quarter, grid; by "
    "default 9 candidates of `technical` on 4 quarters.",
)

evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets(
        ["research", "evaluation_days"], ["research", "trials"], ["research", "evaluations"],
        ["research", "evaluations_by_retraining"], ["research", "model_drift"],
    ),
    description="What forecasts were worth, for a range of sessions: skill by day, every figure over all days and per "
    "retraining, drift.",
)  # fmt: skip

rank = dg.define_asset_job(
    "rank",
    selection=RANKED,
    description="Forecasts, their evaluation, rankings, indices, strategies, and hot answers, for a range of sessions.",
)

rebalance = dg.define_asset_job(
    "rebalance",
    selection=dg.AssetSelection.groups("index"),
    description="The indices again, for a range of sessions; those too that somebody let decide beside their calendar.",
)
