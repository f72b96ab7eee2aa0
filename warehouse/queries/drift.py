"""Drift of the forecasters: what it is measured from, what it is told by, and the retraining that it asks for."""

import datetime as dt
from typing import NamedTuple

import psycopg

# $1 first day, $2 last day: versions of the quarters that begin between them. The training days as learnt from.
VERSIONS_OF_QUARTERS = """
select model_id, model_version_id, valid_from_date, train_first_date, train_last_date, features, artifact_uri
from research.model_versions
where valid_from_date between $1 and $2 and valid_from_date = date_trunc('quarter', valid_from_date)::date
order by model_id, valid_from_date
"""

# $1 first day, $2 last day
FORECASTS_OF_WINDOW = """
select model_id, as_of_date, forecast from research.forecasts where as_of_date between $1 and $2
order by model_id, as_of_date, instrument_id
"""

# $1 last day
RANK_ICS_UNTIL = """
select model_id, as_of_date, rank_ic from research.evaluation_days where as_of_date <= $1 order by model_id, as_of_date
"""

# $1 first day, $2 last day: of the quarters that begin between them.
RETRAININGS_BETWEEN = """
select model_id, valid_from_date
from research.retraining_requests
where window_from_date between $1 and $2
order by valid_from_date, model_id
"""

# Requested, and not trained yet; at most as old as the quarter of $1 is.
RETRAININGS_TO_DO = """
select r.model_id, r.valid_from_date, r.window_from_date, r.reason
from research.retraining_requests as r
left join research.model_versions as v on r.model_id = v.model_id and r.valid_from_date = v.valid_from_date
where v.model_version_id is null and r.window_from_date = date_trunc('quarter', $1::date)::date
order by r.valid_from_date, r.model_id
"""

DRIFT_OF_NEWEST_WINDOW = """
select model_id, valid_from_date, last_date, kind, subject, population_stability_index, ks_statistic, t
from research.model_drift
where is_drifted and valid_from_date = (select max(valid_from_date) from research.model_drift)
order by model_id, kind, population_stability_index desc nulls last, subject
"""

_REQUEST = """
insert into research.retraining_requests (model_id, valid_from_date, window_from_date, reason)
values (%(model_id)s, %(valid_from_date)s, %(window_from_date)s, %(reason)s)
on conflict do nothing
"""


class Retraining(NamedTuple):
    """A version to be trained beside the quarterly ones."""

    model_id: str
    valid_from_date: dt.date
    window_from_date: dt.date
    reason: str


def request_retraining(connection: psycopg.Connection, wanted: Retraining) -> bool:
    """Ask for a version unless one was asked for in its quarter; returns whether the request is new."""
    return connection.execute(_REQUEST, wanted._asdict()).rowcount == 1
