"""The API against its own OpenAPI document: schemathesis sends what the document allows, and what it does not.

A short form runs here; `make faults` asks with 100 examples of each operation, and goes 500 ways from one operation to
the next (FACTORLOOM_TEST_EXAMPLES).
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from api.app import openapi_document
from tests.api.conftest import ALICE, fill
from tests.api.serving import serving
from warehouse.connect import connect

EXAMPLES = int(os.environ.get("FACTORLOOM_TEST_EXAMPLES", "2"))
BRIEFLY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
# Each scenario makes something (an alert, a job, a portfolio) and asks on with what it was answered.
SCENARIOS = settings(BRIEFLY, max_examples=5 * EXAMPLES, stateful_step_count=8, phases=[Phase.generate])
# What comes in here is bytes to the client: schemathesis knows no serializer of their media types.
schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")(
    lambda _, value: value if isinstance(value, bytes) else str(value).encode()
)
# A cursor that is none, a sector that does not exist, data that have moved: well formed, and refused all the same.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "422", "429"]
            }
        },
        # DELETE of a job or an order cancels it; what became of it can be read as before.
        "operations": [
            {"include-operation-id": operation, "checks": {"use_after_free": {"enabled": False}}}
            for operation in ("get_job", "cancel_job", "get_order", "cancel_order")
        ],
    }
)
# A stream goes on for ever: tests/api/test_stream.py asks for it.
SCHEMA = schemathesis.openapi.from_dict(openapi_document(), config=CONFIG).exclude(operation_id="stream_events")


@pytest.fixture(scope="module")
def base_url(server, template, tmp_path_factory):
    """Address of a server over a warehouse that these tests alone write to."""
    name = "api_schema"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        connection.execute(f"grant create, temporary on database {name} to factorloom_writer")
    fill(server.url(name))
    with serving(server.url(name), tmp_path_factory.mktemp("home")) as port:
        yield f"http://127.0.0.1:{port}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@SCHEMA.parametrize()
@BRIEFLY
def test_every_operation_does_what_its_document_says(case, base_url):
    case.call_and_validate(base_url=base_url, headers=ALICE.headers)


def test_operations_that_follow_each_other_do_what_their_document_says(base_url):
    followed = set()

    class Scenario(SCHEMA.as_state_machine()):
        def get_call_kwargs(self, case):
            return {"base_url": base_url, "headers": ALICE.headers}

        def step(self, step):
            output = super().step(step)
            if step.transition is not None and output.response.status_code < 400:
                followed.add((step.transition.id, output.case.operation.label))
            return output

    run_state_machine_as_test(Scenario, settings=SCENARIOS)
    assert followed, "no operation was asked with what another one had answered"
