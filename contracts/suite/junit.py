"""Names contracts in JUnit XML by folder and file, wherever the suite is installed.

pytest takes the class name from the path below its root, which is where the configuration file of the run lies: of a suite in a
virtual environment it begins with the path of the environment, and differs from machine to machine.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from _pytest.junitxml import xml_key


class ClassNames:
    """Sets the class name of each result, such as ``4_build.test_alive``."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set the class name of a result, before pytest derives one."""
        xml = self._config.stash.get(xml_key, None)
        if xml is not None:
            file, *classes = report.nodeid.split("::")[:-1]
            folder_and_file = PurePosixPath(file).with_suffix("").parts[-2:]
            xml.node_reporter(report).add_attribute("classname", ".".join((*folder_and_file, *classes)))
