"""What a hint tells the user to install exists: the distribution is on no public index."""

import json
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest

from migrator.system import installation


def test_an_extra_is_installed_by_the_names_of_what_it_requires():
    command = shlex.split(installation.extra_command("contracts"))

    assert [sys.executable, "-m", "pip", "install"] == command[:4]
    assert {"faker", "hypothesis", "pytest"} <= {name.partition("<")[0].partition(">")[0] for name in command[4:]}
    assert not [name for name in command[4:] if "jarvis" in name or ";" in name]


def test_an_extra_has_its_own_requirements_alone(monkeypatch):
    required = ["click<9,>=8.2", "faker<41; extra == 'contracts'", 'distributed>=2025.7; extra == "fleet"']
    monkeypatch.setattr(metadata, "requires", lambda _: required)

    assert installation.extra_command("contracts").endswith(" -m pip install 'faker<41'")
    assert installation.extra_command("fleet").endswith(" -m pip install 'distributed>=2025.7'")
    # The installed version is older than the extra.
    assert installation.extra_command("newer").endswith("[newer]'")


@pytest.mark.parametrize(
    ("recorded", "source"),
    [
        (lambda folder: {"url": folder.as_uri(), "dir_info": {"editable": True}}, str),
        (lambda folder: {"url": (folder / "gone").as_uri(), "dir_info": {}}, lambda _: "PATH_OF_THE_CLONE_OR_WHEEL"),
        (lambda _: {"url": "https://host/a.whl", "archive_info": {}}, lambda _: "https://host/a.whl"),
        (
            lambda _: {"url": "https://host/a.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            lambda _: "git+https://host/a.git@c0ffee",
        ),
        (lambda _: None, lambda _: installation.DISTRIBUTION),
    ],
)
def test_migrator_is_installed_elsewhere_from_where_it_was_installed_here(tmp_path, monkeypatch, recorded, source):
    folder = tmp_path / "a clone"
    folder.mkdir()
    (tmp_path / "x.dist-info").mkdir()
    (tmp_path / "x.dist-info" / "METADATA").write_text("Name: x\nVersion: 1\n", encoding="utf-8")
    if (origin := recorded(folder)) is not None:
        (tmp_path / "x.dist-info" / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    monkeypatch.setattr(metadata, "distribution", lambda _: metadata.Distribution.at(tmp_path / "x.dist-info"))

    command = shlex.split(installation.command(Path("/opt/bot/bin/python")))

    assert ["/opt/bot/bin/python", "-m", "pip", "install", source(folder)] == command
