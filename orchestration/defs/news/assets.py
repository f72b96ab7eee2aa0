"""What is written about companies, as the source said it, and what it says in figures."""

import datetime as dt

import dagster as dg
import pandas as pd

from models.sentiment import NAME, model_version, tones
from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.market_data.assets import (
    BEGINNING,
    KINDS,
    ingest_window,
    instruments,
    raw_table,
)
from orchestration.defs.market_data.entities import news_articles_entity
from orchestration.metadata import OWNER, Checked, merge_metadata, sample, table_metadata
from orchestration.partitions import window_of
from orchestration.resources import MarketData, Warehouse
from warehouse.merge import Window
from warehouse.queries import news as queries

GROUP = "news"
SENTIMENT = dg.AssetKey(["research", "news_sentiment"])
END = dt.date(9999, 12, 31)
# Version of a source's own word.
AS_GIVEN = "as_given"
# Two tones so far apart contradict each other; a model that does so often does not read this source's language.
OPPOSITE = 1.0
MAX_OPPOSITE_SHARE = 0.1


@raw_table("news_articles", deps=[instruments], by_session=True)
def news_articles(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source and article: what was written about companies."""
    installation, window = market_data.installation, window_of(context)
    entity = news_articles_entity(installation)
    return ingest_window(warehouse, installation, entity, *window)


@dg.asset(
    key=SENTIMENT, deps=[["marts", "fct_news_articles"]], group_name=GROUP, kinds=KINDS,
    owners=[OWNER], automation_condition=FOLLOW_INPUTS, code_version=code_version_of(tones),
)  # fmt: skip
def news_sentiment(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per article and model: its tone by our model, and the source's own word where it has one.

    Known from the article's publication on. What was judged before is judged again only if its text, or the model, is
    another.
    """
    articles = warehouse.read_frame(queries.ARTICLES_TO_JUDGE, [NAME, model_version()])
    judged = judge(articles)
    window = Window("published_at", BEGINNING, END)
    written = warehouse.merge("research.news_sentiment", judged, window=window)
    ours = judged.loc[judged["model_name"] == NAME, "sentiment"]
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "model": f"{NAME} {model_version()}",
            "newly_judged": int(articles["known_sentiment"].isna().sum()),
            "mean_sentiment": float(ours.mean()) if len(ours) else 0.0,
            **table_metadata(warehouse, "research.news_sentiment"),
        }
    )


def judge(articles: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of research.news_sentiment for articles.

    Parameters
    ----------
    articles
        Columns article_id, published_at, text_hash, title and summary, known_sentiment (by our model, of this text)
        and own_sentiment, sentiment_by (the source's own).
    """
    columns = ["article_id", "published_at", "text_hash"]
    ours = articles[columns].assign(
        model_name=NAME, model_version=model_version(), sentiment=articles["known_sentiment"].astype("float64")
    )
    is_new = ours["sentiment"].isna()
    summaries = articles.loc[is_new, "summary"].fillna("").tolist()
    ours.loc[is_new, "sentiment"] = tones(articles.loc[is_new, "title"].tolist(), summaries)
    given = articles[articles["own_sentiment"].notna()]
    own = given[columns].assign(
        model_name=given["sentiment_by"], model_version=AS_GIVEN, sentiment=given["own_sentiment"].astype("float64")
    )
    return pd.concat([ours, own], ignore_index=True)


@dg.asset_check(asset=SENTIMENT, blocking=True, description="Each article has a tone by our model.")
def every_article_is_judged(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for articles that the newest run has left out."""
    n_missing = warehouse.read(queries.ARTICLES_WITHOUT_TONE, [NAME]).to_pylist()[0]["n_articles"]
    return dg.AssetCheckResult(
        passed=n_missing == 0,
        metadata={"articles_without_tone": n_missing},
        description=f"{n_missing} articles have no tone by {NAME}",
    )


@dg.asset_check(
    asset=SENTIMENT,
    description="Where a source judges its articles itself, our tone is seldom the opposite; shows some.",
)
def tones_agree_with_the_sources_own(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare our tone of an article with its source's."""
    counts = warehouse.read(queries.TONES_OF_BOTH, [NAME, OPPOSITE]).to_pylist()[0]
    n_both, n_opposite = counts["n_articles"], counts["n_opposite"]
    share = n_opposite / n_both if n_both else 0.0
    return dg.AssetCheckResult(
        passed=share <= MAX_OPPOSITE_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "judged_by_both": n_both,
            "opposite": n_opposite,
            "opposite_share": share,
            **sample(warehouse.read_frame(queries.OPPOSITE_TONES, [NAME, OPPOSITE])),
        },
        description=f"{n_opposite} of {n_both} articles that their source judges itself sound the opposite to us",
    )
