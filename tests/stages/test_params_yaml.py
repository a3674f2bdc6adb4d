"""Whatever stands in params.yaml: it is read, or refused by file and key before any work."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_pets import REPOSITORY

from docs.site.params import SECTIONS
from pipeline.core.params import ParamsError, read_params, read_section
from pipeline.records.lineage import flatten

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
GOOD = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
KEYS = sorted(flatten(GOOD))
NONSENSE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**63, 10**30, -(10**400), 0, -1]),
    st.floats(),
    st.sampled_from([float("inf"), float("nan"), 1e308, 5e-324]),
    st.text(max_size=5),
    st.sampled_from(["0.1", "1e-3", "\0", "\ud800", "../../etc/passwd"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def changed(values: dict, key: str, value: object) -> dict:
    """The params with one value replaced, or a key added."""
    name, _, rest = key.partition(".")
    return values | {name: changed(values.get(name, {}), rest, value) if rest else value}


@given(st.sampled_from(KEYS), NONSENSE)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_of_any_key_is_taken_or_refused_by_its_name(tmp_path_factory, key, value):
    section = key.split(".")[0]
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(
        yaml.safe_dump({section: changed(GOOD, key, value)[section]}), errors="surrogatepass"
    )
    said = complaint(section, file)
    assert said is None or said.startswith(str(file))
    assert said is None or section in said or "is not valid YAML" in said


def complaint(section: str, file: Path) -> str | None:
    """What is said against the section; anything else than a ParamsError comes through."""
    try:
        read_section(section, SECTIONS[section], file)
    except ParamsError as error:
        return str(error)
    return None


TEXT = st.text(max_size=200).map(lambda text: text.encode(errors="replace"))


@given(st.binary(max_size=200) | TEXT)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused_by_the_file(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(b"seed: " + content)
    said = complaint("seed", file)
    assert said is None or said.startswith(str(file))


def test_no_settings_of_one_data_set_are_left_over_from_anothers():
    files = [read_params(file) for file in (REPOSITORY / "experiments").glob("*.yaml")]
    ours = [frozenset(file) for file in files if "download.dataset" in file]
    assert len(ours) > 3
    assert len(set(ours)) == 1, "each sets what the others set"


# One mistake for each stage; all of them are seen before anything is read or written.
MISTAKES = {
    "download": ["download.places"],
    "extract": ["extract.max_quarantined_fraction"],
    "split": ["split.val_fraction", "seed"],
    "train": ["train.epochs", "train.processes", "seed", "model.encoder", "model.weights"],
    "evaluate": ["evaluate.threads", "evaluate.batch_size"],
    "export": ["export.calibration_images", "export.threads"],
    "gate": ["gate.resamples", "gate.confidence"],
}
WRONG = [-(10**30), 10**30, "none", float("inf")]


@pytest.mark.parametrize("stage", MISTAKES)
def test_a_mistake_is_named_before_any_work(tmp_path, monkeypatch, stage):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    command = STAGES[stage]["cmd"] if stage in STAGES else "python -m tools.models gate"
    module, *arguments = command.split()[2:]
    monkeypatch.setattr(sys, "argv", [stage, *arguments])
    main = import_module(module).main
    for key in MISTAKES[stage]:
        for text in [yaml.safe_dump(changed(GOOD, key, value)) for value in WRONG]:
            Path("params.yaml").write_text(text)
            with pytest.raises(ParamsError) as error:
                main()
            assert str(error.value).startswith("params.yaml")
            assert key.split(".")[0] in str(error.value)
            assert [*Path().iterdir()] == [Path("params.yaml")], (key, text)
