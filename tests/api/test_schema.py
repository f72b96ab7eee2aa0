"""The API against its own OpenAPI document: schemathesis sends what the document allows, and what it does not.

With every check, 100 examples of each operation besides the edges of its parameters, and from one operation to the next
with what the first has answered. FACTORLOOM_TEST_EXAMPLES asks for more, or for fewer.
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

EXAMPLES = os.environ.get("FACTORLOOM_TEST_EXAMPLES", "100")
HERE = Path(__file__).parent


@pytest.mark.slow
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
                "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES,
                "--suppress-health-check", "all", "--no-color",
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    figure(f"schemathesis: {re.search(r'[0-9]+ generated', done.stdout)[0]}")
