"""What tables look like in the UI."""

import pandas as pd

from orchestration.metadata import table


def test_a_missing_value_is_an_empty_cell_whatever_its_type():
    frame = pd.DataFrame(
        {"a": [0.5, float("nan")], "b": pd.array([1, None], dtype="Int64"), "c": ["x|y", None], "d": [("p",), ("q",)]}
    )
    assert table(frame).md_str.splitlines()[2:] == ["| 0.500 | 1 | x/y | ('p',) |", "|  |  |  | ('q',) |"]
