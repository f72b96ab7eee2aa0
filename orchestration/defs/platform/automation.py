"""The sensor that evaluates automation conditions; Dagster's own one would start stopped."""

import dagster as dg

from orchestration.catch_up import REASON_TAG

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Carries the newest session from raw to rankings and evaluations, each table once the blocking checks "
    "of its inputs have passed, and trains a quarter's forecasters when the quarter begins.",
    run_tags={REASON_TAG: "inputs have changed and their blocking checks passed"},
)
