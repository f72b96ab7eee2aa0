"""The two conditions under which derived tables follow what they are made from."""

import dagster as dg

# Measured: `eager` alone also fires when an input's blocking check failed in an earlier run. So both are asked for.
FOLLOW_INPUTS = (dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()).with_label(
    "follow the inputs once their blocking checks have passed"
)

TRAIN_ONCE_A_QUARTER = (
    dg.AutomationCondition.on_missing() & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("train once when a quarter begins")
