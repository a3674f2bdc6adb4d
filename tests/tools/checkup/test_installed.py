"""What the doctor says about the installed packages."""

from importlib.metadata import version

from tools.checkup.environment import check_environment, deviations

NUMPY = version("numpy")


def lock(folder, *lines):
    file = folder / "requirements.lock"
    file.write_text("\n".join(lines))
    return file


def test_packages_as_pinned_are_no_deviation(tmp_path):
    pins = [f"numpy=={NUMPY}", "    # via pandas", "", "# a comment", "--no-binary=x"]
    assert deviations(lock(tmp_path, *pins)) == {}


def test_a_local_build_of_the_pinned_version_is_the_pinned_version(tmp_path):
    torch = version("torch").partition("+")[0]
    assert deviations(lock(tmp_path, f"torch=={torch}")) == {}


def test_other_versions_and_missing_packages_are_named(tmp_path):
    assert deviations(lock(tmp_path, "numpy==1.0", "no-such-package==2.0")) == {
        "numpy==1.0": NUMPY,
        "no-such-package==2.0": "none",
    }


def test_a_pin_for_another_system_does_not_count(tmp_path):
    assert deviations(lock(tmp_path, "no-such-package==2.0 ; sys_platform == 'other'")) == {}


def test_the_remedy_is_to_install_what_is_pinned(tmp_path):
    file = lock(tmp_path, *(f"no-such-package-{number}==1.0" for number in range(7)))
    [finding] = [each for each in check_environment(file) if each.state == "bad"]
    assert "no-such-package-4==1.0: none installed and 2 more" in finding.text
    assert finding.remedy == f"python -m pip install --requirement {file}"


def test_a_missing_lock_is_told(tmp_path):
    states = {each.text: each.state for each in check_environment(tmp_path / "requirements.lock")}
    assert states[f"{tmp_path}/requirements.lock is missing"] == "bad"
