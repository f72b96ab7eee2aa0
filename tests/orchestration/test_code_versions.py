"""A change of a calculation, and of what it rests on, is another version."""

from orchestration.code_versions import code_version_of, sources_of
from transforms.bar_verdicts import bar_verdicts
from transforms.indicators import indicator_rows
from transforms.rankings import rankings


def names(function: object) -> set[str]:
    return {file.name for file in sources_of(function)}  # type: ignore[arg-type]


def test_the_files_are_those_of_the_calculation_and_of_all_it_imports():
    # bar_verdicts imports bar_history, which imports days.
    assert {"bar_verdicts.py", "wrong_days.py", "unadjusted_splits.py", "bar_history.py", "days.py"} <= names(
        bar_verdicts
    )
    assert "rankings.py" not in names(bar_verdicts)
    assert all(file.exists() for file in sources_of(bar_verdicts, indicator_rows, rankings))


def test_each_calculation_has_a_version_of_its_own_that_stays():
    versions = [code_version_of(function) for function in (bar_verdicts, indicator_rows, rankings)]
    assert len(set(versions)) == 3
    assert versions[0] == code_version_of(bar_verdicts)


def test_another_text_of_a_file_is_another_version(tmp_path, monkeypatch):
    def version(text: str) -> str:
        (tmp_path / "made_up.py").write_text(text)
        space: dict = {}
        exec(compile(text, str(tmp_path / "made_up.py"), "exec"), space)
        return code_version_of(space["double"])

    assert version("def double(x): return x + x") != version("def double(x): return 2 * x")
