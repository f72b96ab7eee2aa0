from pathlib import Path

import pytest

from models.errors import NotAForecaster, RegistryError, UnknownForecasterType, UnknownModel, UnknownParameter
from models.registry import ModelEntry, Registry, load_registry, resolve_type
from tests.third_party import install

LINE = "{id: x, type: %s, features: technical, parameters: {%s}}"


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text("models:\n" + "".join(f"  - {line}\n" for line in lines))
    return path


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package of another party with these entry points."""

    def install_and_find(**points: str) -> None:
        install(tmp_path / "site", **points)
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install_and_find


def test_the_shipped_registry_has_the_technical_model_and_the_baseline():
    registry = load_registry()
    assert [entry.id for entry in registry.enabled][:2] == ["technical", "momentum_12_1"]
    assert registry.entry("momentum_12_1").weight == 0.0
    assert registry.feature_names("momentum_12_1") == ("momentum_252d_21d_centred_rank",)


def test_parameters_of_the_line_reach_the_constructor(tmp_path):
    registry = load_registry(write(tmp_path, LINE % ("gradient_boosting", "n_trees: 3")))
    assert registry.create("x").n_trees == 3
    assert registry.create("x") is not registry.create("x")


def test_a_disabled_model_is_known_but_not_enabled(tmp_path):
    registry = load_registry(write(tmp_path, "{id: x, type: momentum_12_1, features: technical, enabled: false}"))
    assert [entry.id for entry in registry.enabled] == ["momentum_12_1"]
    assert registry.entry("x").type == "momentum_12_1"


def test_the_baseline_is_there_and_on_whatever_the_file_says(tmp_path):
    entry = load_registry(write(tmp_path, "{id: x, type: linear, features: technical}")).entries[-1]
    assert (entry.id, entry.enabled, entry.weight) == ("momentum_12_1", True, 0.0)
    with pytest.raises(RegistryError, match="'momentum_12_1' is the baseline that all must beat: it must be enabled"):
        load_registry(
            write(tmp_path, "{id: momentum_12_1, type: momentum_12_1, features: momentum_12_1, enabled: false}")
        )
    with pytest.raises(RegistryError, match="is the baseline"):
        load_registry(write(tmp_path, "{id: momentum_12_1, type: linear, features: technical}"))


def test_unknown_model_is_named_with_those_known():
    with pytest.raises(
        UnknownModel, match=r"must be one of \[.*'momentum_12_1', 'sentiment', 'technical'\]; got 'astrology'"
    ):
        load_registry().create("astrology")


def test_unknown_type_is_named_with_those_known(tmp_path):
    with pytest.raises(UnknownForecasterType, match=r"'gradient_boosting', 'linear', 'momentum_12_1'.*got 'astrology'"):
        load_registry(write(tmp_path, LINE % ("astrology", "")))


def test_unknown_parameter_is_named_with_those_known(tmp_path):
    registry = load_registry(write(tmp_path, LINE % ("gradient_boosting", "n_tres: 3")))
    with pytest.raises(UnknownParameter, match=r"'n_trees'.*got \['n_tres'\]"):
        registry.create("x")


def test_unknown_feature_set_is_named_with_those_known(tmp_path):
    with pytest.raises(RegistryError, match=r"features of 'x' must be one of \[.*'technical'\]; got 'stars'"):
        load_registry(write(tmp_path, "{id: x, type: momentum_12_1, features: stars}"))


@pytest.mark.parametrize("weight", ["-0.5", ".nan", ".inf"])
def test_a_weight_that_is_none_is_refused_and_shown(tmp_path, weight):
    line = f"{{id: x, type: momentum_12_1, features: technical, weight: {weight}}}"
    with pytest.raises(
        RegistryError, match=rf"weight of 'x' must be 0 or more and finite; got {weight.lstrip('.')}\. "
    ):
        load_registry(write(tmp_path, line))


def test_the_same_id_twice_is_refused(tmp_path):
    line = LINE % ("momentum_12_1", "")
    with pytest.raises(RegistryError, match=r"got \['x'\] more than once"):
        load_registry(write(tmp_path, line, line))


@pytest.mark.parametrize("line", ["{id: x, type: t, features: f, colour: red}", "{id: x}", "12", "{id: x, type: ["])
def test_a_file_of_another_shape_is_refused(tmp_path, line):
    with pytest.raises(RegistryError, match=r"models\.yaml must be a list of models"):
        load_registry(write(tmp_path, line))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RegistryError, match="No such file"):
        load_registry(tmp_path / "absent.yaml")


def test_an_entry_point_is_a_model_without_a_line(installed, tmp_path, panel):
    installed(contrarian="Contrarian")
    registry = load_registry(write(tmp_path, LINE % ("momentum_12_1", "")))
    assert [entry.id for entry in registry.enabled] == ["x", "contrarian", "momentum_12_1"]
    features = panel(registry.feature_names("contrarian"), n_days=2, n_instruments=3)
    guesses = registry.create("contrarian").fit(features, features.iloc[:, 0]).predict(features)
    assert guesses.tolist() == (-features.iloc[:, 0]).astype(float).tolist()


def test_the_rankings_follow_the_forecaster_that_is_named_else_the_first_enabled(tmp_path):
    lines = [
        "{id: idle, type: linear, features: technical, enabled: false}", "{id: a, type: linear, features: technical}",
        LINE % ("momentum_12_1", ""),
    ]  # fmt: skip
    path = write(tmp_path, *lines)
    assert load_registry().ranking_model == "technical"
    assert load_registry(path).ranking_model == "a"
    path.write_text("ranking: x\n" + path.read_text())
    assert load_registry(path).ranking_model == "x"
    assert Registry(entries=()).ranking_model is None


@pytest.mark.parametrize("named", ["idle", "nobody"])
def test_rankings_cannot_follow_what_does_not_forecast(tmp_path, named):
    path = write(
        tmp_path, "{id: idle, type: linear, features: technical, enabled: false}", LINE % ("momentum_12_1", "")
    )
    path.write_text(f"ranking: {named}\n" + path.read_text())
    with pytest.raises(
        RegistryError, match=rf"must be one of the enabled forecasters \['x', 'momentum_12_1'\]; got '{named}'"
    ):
        load_registry(path)


def test_an_entry_point_with_a_line_takes_the_line(installed, tmp_path):
    installed(contrarian="Contrarian")
    registry = load_registry(write(tmp_path, "{id: y, type: contrarian, features: technical, weight: 0.5}"))
    assert [(entry.id, entry.weight) for entry in registry.entries] == [("y", 0.5), ("momentum_12_1", 0.0)]


@pytest.mark.parametrize(("target", "missing"), [("Nameless", "name"), ("not_a_class", "fit")])
def test_an_entry_point_that_is_no_forecaster_is_refused(installed, target, missing):
    installed(contrarian=target)
    with pytest.raises(NotAForecaster, match=missing):
        resolve_type("contrarian")


def test_another_package_cannot_replace_a_type_of_ours(installed):
    installed(momentum_12_1="Contrarian")
    assert resolve_type("momentum_12_1").__module__ == "models.momentum"


def test_a_registry_can_be_made_by_hand():
    registry = Registry(entries=(ModelEntry(id="x", type="momentum_12_1", features="technical"),))
    assert registry.create("x").name == "momentum_12_1"
