"""The way ends well where the data ends: results are there, nothing is red, schedules skip and say why."""

import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.unwatched, pytest.mark.xdist_group("real")]

LAST = pd.Timestamp("2018-05-18")
PROFILES = {"conservative", "balanced", "aggressive"}
PREPARED = """
import json
from factorloom.environment import apply_environment
from warehouse.settings import current_settings
apply_environment(current_settings())
import dagster as dg
from orchestration.definitions import build_defs
repository = build_defs().get_repository_def()
"""


def test_every_profile_has_a_ranking_of_the_last_session(pipeline):
    rows = pipeline.frame(
        f"select profile, rank, score, signal from research.rankings where as_of_date = '{LAST.date()}'"
    )
    assert set(rows["profile"]) == PROFILES
    for _, ranking in rows.groupby("profile"):
        ranked = ranking.dropna(subset="rank").sort_values("rank")
        assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
        assert len(ranked) > 150
        assert ranked["score"].is_monotonic_decreasing
    newest = pipeline.frame("select max(as_of_date) as as_of_date from research.rankings")
    assert newest["as_of_date"][0] == LAST


def test_every_profile_has_a_backtest_up_to_the_last_session(pipeline):
    rows = pipeline.frame("select profile, last_date from research.backtests")
    assert set(rows["profile"]) == PROFILES
    assert (rows["last_date"] == LAST).all()


def test_value_is_missing_from_the_scores_and_its_weight_goes_to_the_others(pipeline):
    rows = pipeline.frame(
        "select profile, score, contribution_value, missing_groups from research.rankings where rank is not null"
    )
    assert rows["missing_groups"].map(lambda groups: "value" in groups).all()
    assert (rows["contribution_value"] == 0).all()
    assert rows["score"].max() > 60


def test_the_contributions_add_up_to_the_score(pipeline):
    rows = pipeline.frame("select * from research.rankings where rank is not null")
    parts = rows[[name for name in rows.columns if name.startswith("contribution_")]].sum(axis=1)
    inner = rows["score"].between(0.001, 99.999)
    assert ((50 + parts - rows["score"]).abs()[inner] < 1e-9).all()


# On these prices no forecaster is better than momentum, and the check says so.
SAYS_NO = {('["research", "evaluations"]', "forecasters_beat_the_baseline"): "FAILED"}


def test_no_check_has_failed_but_the_one_that_holds_forecasters_against_the_baseline(pipeline):
    evaluated = pipeline.frame(
        "select asset_key, check_name, execution_status from asset_check_executions", database="dagster"
    )
    # Dagster keeps the plan of a partitioned check beside its evaluation.
    planned = evaluated["execution_status"] == "PLANNED"
    outcome = evaluated[~planned].set_index(["asset_key", "check_name"])["execution_status"]
    assert len(outcome) > 30
    assert outcome[outcome != "SUCCEEDED"].to_dict() == SAYS_NO
    wanted = set(pd.MultiIndex.from_frame(evaluated.loc[planned, ["asset_key", "check_name"]]))
    assert wanted <= set(outcome.index)


def test_schedules_of_market_data_skip_and_say_that_the_source_ends(pipeline):
    answers = pipeline.ask(
        PREPARED
        + """
import datetime as dt
answers = {}
with dg.DagsterInstance.get() as instance:
    for name in ("end_of_day", "daily_fundamentals", "each_minute"):
        context = dg.build_schedule_context(
            instance=instance, repository_def=repository,
            scheduled_execution_time=dt.datetime(2026, 11, 24, 20, 0, tzinfo=dt.UTC),
        )
        answers[name] = repository.get_schedule_def(name).evaluate_tick(context).skip_message
print(json.dumps(answers))
"""
    )
    assert answers == dict.fromkeys(["end_of_day", "daily_fundamentals", "each_minute"], "source ends 2018-05-18")


def test_nothing_is_expected_to_be_fresh_and_partitions_end_with_the_data(pipeline):
    shown = pipeline.ask(
        PREPARED
        + """
graph = repository.asset_graph
policies = [node.key.to_user_string() for node in graph.asset_nodes if getattr(node, "freshness_policy", None)]
keys = graph.get(dg.AssetKey(["raw", "daily_bars"])).partitions_def.get_partition_keys()
ends = {"first": keys[0], "last": keys[-1], "n": len(keys)}
print(json.dumps({"assets": len(list(graph.asset_nodes)), "policies": policies, **ends}))
"""
    )
    assert shown["assets"] > 20
    assert shown["policies"] == []
    assert (shown["first"], shown["last"], shown["n"]) == ("2013-05-21", "2018-05-18", 1_259)
