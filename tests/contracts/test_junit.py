"""JUnit XML names contracts alike on every machine."""

import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

import contracts
from contracts.sets import consolidated as consolidated_set


@pytest.mark.parametrize("processes", [1, 2])
def test_a_class_name_has_no_path_of_the_machine(tmp_path, processes):
    """With a configuration file above the installed suite, as that of a repository with its virtual environment in it."""
    (tmp_path / "set").mkdir()
    consolidated_set.make_empty_set(tmp_path / "set")
    own = tmp_path / "own" / "4_build"
    own.mkdir(parents=True)
    (own / "test_keys.py").write_text("class TestKeys:\n    def test_of_my_own(self, judged):\n        assert judged\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--pyargs", "contracts", str(own), "--import-mode=importlib", "-p",
         "no:cacheprovider", "--rootdir", "/", "--consolidated-dir", tmp_path / "set", "--contracts-report", tmp_path / "said",
         "--contracts-processes", str(processes), "-k", "config_holds or of_my_own or core_pages_are_whole"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout
    cases = ET.parse(tmp_path / "said" / "contracts.xml").iter("testcase")  # noqa: S314 - pytest's own
    names = {case.get("name"): case.get("classname") for case in cases}
    assert "4_build.test_stored" == names["test_config_holds_the_specified_rows[core]"]
    assert "4_build.test_keys.TestKeys" == names["test_of_my_own"]
    assert "4_build.core_pages_are_whole" == names["holds"]
    assert not [name for name in names.values() if contracts.__file__.split("/")[1] in name.split(".")]
