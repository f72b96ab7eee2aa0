"""A package of another party with forecasters in it, for tests that register them by entry point."""

from pathlib import Path

FORECASTERS = """
from models.momentum import MomentumForecaster

class Contrarian(MomentumForecaster):
    name = "contrarian"
    feature_set = "momentum_12_1"

    def predict(self, features):
        return -super().predict(features)

class Nameless(Contrarian):
    name = "other"

def not_a_class(): ...
"""


def install(folder: Path, **points: str) -> None:
    """Install it into a folder of the path as pip would: a module and its entry points, {type: class}."""
    about = folder / "thirdparty-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "thirdparty_forecasters.py").write_text(FORECASTERS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    named = "".join(f"{name} = thirdparty_forecasters:{target}\n" for name, target in points.items())
    (about / "entry_points.txt").write_text(f"[factorloom.forecasters]\n{named}")
