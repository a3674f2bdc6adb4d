"""dvc.yaml agrees with the code: what each stage imports, and which params it reads."""

import ast
import re
from pathlib import Path

import grimp
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
STAGES = PIPELINE["stages"]
DESCRIPTION = "datasets/${download.dataset}.yaml"


@pytest.fixture(scope="module")
def imports():
    """Who imports whom, without records: logging cannot change an output's bytes."""
    graph = grimp.build_graph("pipeline", "stages", cache_dir=None)
    for module in [name for name in graph.modules if name.startswith("pipeline.records")]:
        graph.remove_module(module)
    return graph


def source_file(module):
    """The module's path in the repository; None for a package that is nothing but a docstring."""
    path = Path(*module.split("."))
    if not (REPOSITORY / path).is_dir():
        return f"{path}.py"
    package = path / "__init__.py"
    code = ast.parse((REPOSITORY / package).read_text()).body[1:]
    return str(package) if code else None


def names(entries):
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def is_source(dep):
    return dep.endswith(".py") or dep.startswith("pipeline/")


def contains(dep, file):
    return file == dep or file.startswith(f"{dep}/")


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_what_the_stage_imports_and_nothing_else(imports, stage):
    modules = imports.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
    files = {source_file(module) for module in modules} - {None}
    deps = list(filter(is_source, names(STAGES[stage]["deps"])))
    uncovered = {file for file in files if not any(contains(dep, file) for dep in deps)}
    unused = {dep for dep in deps if not any(contains(dep, file) for file in files)}
    assert (uncovered, unused) == (set(), set())


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_exactly_the_sections_that_the_stage_reads(stage):
    source = (REPOSITORY / "stages" / f"{stage}.py").read_text()
    sections = set(re.findall(r'read_section\(\s*"(\w+)"', source))
    params = [key for key in STAGES[stage].get("params", []) if isinstance(key, str)]
    assert {key.split(".")[0] for key in params} == sections


@pytest.mark.parametrize("stage", STAGES)
def test_no_command_holds_a_param(stage):
    """DVC would put it into a line of the shell, which runs what follows a semicolon."""
    assert "$" not in STAGES[stage]["cmd"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_reads_the_description_depends_on_it(stage):
    """Without keys DVC watches all of them, and does not ask for those that a file leaves out."""
    files = [key for key in STAGES[stage].get("params", []) if isinstance(key, dict)]
    reads = "read_description(" in (REPOSITORY / "stages" / f"{stage}.py").read_text()
    assert [next(iter(file)) for file in files] == [DESCRIPTION] * reads
    keys = [key for file in files for key in file[DESCRIPTION] or ()]
    for name in (REPOSITORY / "datasets").glob("*.yaml"):
        assert yaml.safe_load(name.read_text()).keys() >= set(keys)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_given_every_path_that_it_depends_on_or_writes(stage):
    """The command names each path, or the folder that it is in."""
    entry = STAGES[stage]
    arguments = [Path(word) for word in entry["cmd"].split()[3:]]
    paths = [dep for dep in names(entry["deps"]) if not is_source(dep)]
    paths += names(entry.get("outs", [])) + names(entry.get("metrics", []))
    paths += [DESCRIPTION] * (DESCRIPTION in names(entry.get("params", [])))
    for path in map(Path, paths):
        assert any(path == argument or argument in path.parents for argument in arguments), path
    for argument in arguments:
        assert any(argument == Path(p) or argument in Path(p).parents for p in paths), argument


def test_the_stages_are_the_modules_in_stages():
    assert {file.stem for file in (REPOSITORY / "stages").glob("[a-z]*.py")} == set(STAGES)


@pytest.fixture(scope="module")
def locked():
    """The stages as DVC reads them, with what dvc.lock says of each."""
    from dvc.repo import Repo  # here: a mere copy, in which this file is tried, is no repository

    with Repo(str(REPOSITORY)) as repo:
        yield {stage: repo.stage.load_one(name=stage) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_the_lock_is_of_this_source_and_these_params(locked, stage):
    """As `dvc repro --dry --allow-missing` would find in a fresh clone."""
    deps = {dep.def_path: dep for dep in locked[stage].deps}
    ours = [dep for path, dep in deps.items() if is_source(path) or path.endswith(".yaml")]
    assert [status for dep in ours if (status := dep.workspace_status())] == [], "run dvc repro"


def test_metrics_are_committed_not_cached():
    for stage in STAGES.values():
        for metric in stage.get("metrics", []):
            assert list(metric.values()) == [{"cache": False}]
