"""What a test measures stands at the end of the run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURING = """
def test_measures(figure):
    figure("height 3.5 m")
    figure("width 2 m")

def test_fails(figure):
    figure("depth 1 m")
    assert False

def test_is_silent():
    pass
"""


def test_figures_of_passing_and_failing_tests_are_printed_by_test(tmp_path: Path):
    (tmp_path / "test_measuring.py").write_text(MEASURING)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line.strip() for line in done.stdout.splitlines()]
    begin = next(n for n, line in enumerate(lines) if line.strip("= ") == "figures")
    assert lines[begin + 1 : begin + 6] == [
        "test_measuring.py::test_fails",
        "depth 1 m",
        "test_measuring.py::test_measures",
        "height 3.5 m",
        "width 2 m",
    ]
    assert "test_is_silent" not in "".join(lines[begin:])
