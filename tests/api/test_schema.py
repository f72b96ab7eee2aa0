"""The API against its own OpenAPI document: schemathesis sends what the document allows, and what it does not.

With every check (an argument that named them would outweigh the exceptions of schemathesis.toml), 10 examples of each
operation besides the edges of its parameters, and from one operation to the next with what the first has answered.
FACTORLOOM_TEST_EXAMPLES asks for more, as `make fuzz` does for 100.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import openapi_document
from tests.api.conftest import ALICE, fill
from tests.api.serving import serving

EXAMPLES = os.environ.get("FACTORLOOM_TEST_EXAMPLES", "10")
# A stream goes on for ever: schemathesis.toml leaves it to test_stream.py.
LEFT_OUT = ("stream_events",)
HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.unwatched
def test_every_operation_does_what_its_document_says(database, tmp_path, figure):
    fill(database.owner_url)
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(openapi_document()))
    [(name, value)] = ALICE.headers.items()
    with serving(database.owner_url, tmp_path / "home") as port:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml",
                "run", document, "--url", f"http://127.0.0.1:{port}", "--header", f"{name}: {value}",
                "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES,
                "--suppress-health-check", "all", "--no-color",
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    n_operations = sum(len(methods) for methods in openapi_document()["paths"].values()) - len(LEFT_OUT)
    assert re.search(rf"Tested: +{n_operations}$", done.stdout, re.MULTILINE), done.stdout[-5_000:]
    links = re.search(r"API Links: +([0-9]+) covered", done.stdout)
    assert links, done.stdout[-5_000:]
    assert int(links[1]) > 0, "no operation was asked with what another one had answered"
    figure(f"schemathesis: {re.search(r'[0-9]+ generated', done.stdout)[0]}, {links[1]} links followed")
