"""The sensor that evaluates automation conditions; Dagster's own one would start stopped."""

import dagster as dg

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Carries new sessions from raw to rankings, once the blocking checks of the inputs have passed.",
)
