"""docs/automation.md says what the definitions say."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_on_automation_is_what_the_definitions_say(tmp_path: Path) -> None:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("FACTORLOOM_")}
    own = {"FACTORLOOM_HOME": str(tmp_path), "DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "orchestration.catalogue"], cwd=ROOT, env={**outer, **own},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == (ROOT / "docs" / "automation.md").read_text()
