"""What is the tool's own: by what migrator wrote in it, so that an owner may have a folder ``backup`` too."""

import dataclasses
import os
import shutil
from contextlib import closing
from pathlib import PurePosixPath

import pytest
from rich.console import Console

from contracts.sets.legacy import legacy_set
from contracts.specimens import generator
from migrator.config import config_file
from migrator.config.config_file import Config
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.records.inventory import Verdict
from migrator.records.plan import Fate
from migrator.reports import terminal
from migrator.stages import backup as backup_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.switch.workspace import Workspace
from migrator.system import connections, own_files


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "data"
    generator.make(folder, rows=30, seed=7)
    for path in sorted(folder.rglob("*.db")):
        if path.name not in {"jarvis.db", "custom.db"}:
            path.unlink()
    return folder


@pytest.fixture(name="data")
def _data(made, tmp_path):
    return shutil.copytree(made, tmp_path / "data")


def database(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(connections.create(path)) as connection:
        connection.execute("CREATE TABLE kept (a)")
        connection.execute("INSERT INTO kept VALUES (1)")


def backed_up(data, **files):
    workspace = Workspace(data)
    configuration = config_file.load(data / "migrator.toml")
    planned = pipeline_migrate.plan(
        workspace, configuration if not files else Config(constants=configuration.constants, **files)
    )
    return pipeline_migrate.backup(planned, workspace)


@pytest.mark.parametrize(
    "place", ["backup/bot.db", "backup/2024/bot.db", "backup/consolidated/bot.db", ".migrator/bot.db"]
)
def test_a_database_that_the_owner_keeps_under_our_names_is_seen(data, place):
    database(data / place)

    found = {str(one.place): one.verdict for one in inventory(data).databases}
    planned = pipeline_migrate.plan(Workspace(data), config_file.load(data / "migrator.toml"))

    assert Verdict.UNKNOWN is found[place]
    assert any(sentence.startswith(f"{place}: ") for sentence in planned.refusals)


def test_the_owners_folder_of_backups_keeps_its_mode_its_numbers_and_its_files(data):
    database(data / "backup" / "2024" / "bot.db")
    database(data / "backup" / "0001.partial" / "bot.db")
    (data / "backup" / "0002").mkdir()
    (data / "backup").chmod(0o775)
    before = {path: path.is_file() and path.read_bytes() for path in (data / "backup").rglob("*")}

    runs = [backed_up(data, files={"backup": "ignore"}).run for _ in range(2)]

    assert ["0003", "0004"] == runs
    assert 0o775 == (data / "backup").stat().st_mode & 0o777
    assert (
        before.items() <= {path: path.is_file() and path.read_bytes() for path in (data / "backup").rglob("*")}.items()
    )


def test_a_link_that_is_called_like_a_run_leads_nowhere(data, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / own_files.MANIFEST).touch()
    (data / "backup").mkdir()
    (data / "backup" / "0001").symlink_to(elsewhere)

    assert backup_stage.newest(data / "backup") is None
    assert "0002" == backed_up(data).run
    assert [own_files.MANIFEST] == [path.name for path in elsewhere.iterdir()]


def test_a_snapshot_that_was_cut_short_is_ours_and_its_number_is_given_again(data, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(backup_stage, "_copy", dies)
        with pytest.raises(KeyboardInterrupt):
            backed_up(data)
    database(data / "backup" / "0001.partial" / "jarvis.db")

    assert "0001" == backed_up(data).run
    assert ["0001"] == [path.name for path in (data / "backup").iterdir()]


def test_what_a_switch_keeps_in_a_snapshot_is_no_part_of_it(data, tmp_path):
    snapshot = backed_up(data).folder
    for place in ("originals/jarvis.db", "consolidated/jarvis_core.db", "rolled-back-2/aside/tax.db"):
        database(snapshot / place)

    assert {"custom.db", "jarvis.db"} == {str(one.place) for one in inventory(snapshot).databases}
    assert {snapshot / "custom.db", snapshot / "jarvis.db"} == {*legacy_set(snapshot, tmp_path).originals.values()}
    assert backup_stage.latest(data / "backup", read_back=inventory) is not None


def test_the_configuration_gives_a_whole_folder_its_fate_and_a_copy_of_the_set_is_one_sentence(data):
    shutil.copytree(data, data / "old")
    workspace = Workspace(data)

    refused = pipeline_migrate.plan(workspace, config_file.load(data / "migrator.toml")).refusals
    snapshot = backed_up(data, files={"old": "standalone"})

    (sentence,) = [one for one in refused if one.startswith("old")]
    assert sentence.startswith("old: 2 databases in this folder are not known (custom.db, jarvis.db)")
    assert ["custom.db", "jarvis.db", "old/custom.db", "old/jarvis.db"] == [
        str(one.place) for one in snapshot.inventory.databases
    ]
    assert ["custom", "jarvis", "old/custom", "old/jarvis"] == [one.known_as for one in snapshot.inventory.databases]
    assert {"custom", "jarvis", "old/custom", "old/jarvis"} == legacy_set(snapshot.folder, data).originals.keys()


def test_of_many_strangers_the_first_are_named(data):
    for number in range(30):
        database(data / f"stranger{number:02}.db")

    refused = pipeline_migrate.plan(Workspace(data), config_file.load(data / "migrator.toml")).refusals

    named = [one for one in refused if "stranger" in one]
    assert [f"stranger{number:02}.db" for number in range(5)] == [one.partition(":")[0] for one in named]
    assert "25 more databases are not known; to list them run: migrator inventory --json" in refused


@pytest.mark.parametrize("make", [lambda _: None, lambda folder: database(folder / "raid_bot.db")])
def test_a_folder_without_a_legacy_database_is_refused_and_what_was_looked_for_is_named(tmp_path, make):
    make(tmp_path)

    refused = pipeline_migrate.plan(Workspace(tmp_path), Config()).refusals

    assert any("no legacy database is in this folder" in one and "jarvis.db, " in one for one in refused)


def test_a_set_in_which_no_file_has_a_table_is_refused(tmp_path):
    with closing(connections.create(tmp_path / "alerts.db")) as legacy:
        legacy.execute("PRAGMA user_version = 1")

    refused = pipeline_migrate.plan(Workspace(tmp_path), Config()).refusals

    assert any("none of the 1 legacy databases in this folder has a table" in one for one in refused)


@pytest.mark.parametrize("place", ["custom.db", "raid_bot.db", "empty.db"])
def test_a_file_that_is_ignored_is_in_no_snapshot_and_has_no_fate_beside(data, place):
    if place == "empty.db":
        connections.create(data / place).close()
    elif place != "custom.db":
        database(data / place)

    planned = pipeline_migrate.plan(
        Workspace(data),
        Config(constants=config_file.load(data / "migrator.toml").constants, files={place: "ignore"}),
    )

    assert [] == [one for one in planned.refusals if one.startswith(place)]
    assert place not in {str(one.place) for one in backup_stage.wanted(planned)}
    name = place.removesuffix(".db")
    assert {Fate.IGNORED} >= {one.fate for one in planned.tables if one.source.startswith(f"{name}.")}


@pytest.mark.slow
def test_what_the_configuration_says_of_known_files_holds_up_to_the_verdict(tmp_path):
    data = tmp_path / "data"
    generator.make(data, rows=100, seed=7, dirty=True)
    fates = {
        "custom.db": "ignore",
        "raid_bot.db": "ignore",
        "tax.db": "ignore",
        "distributions.db": "standalone",
        "jarvis.db": "standalone",
        "research.db": "carry:core",
        "alerts.db": "carry:cache",
    }
    with (data / "migrator.toml").open("a", encoding="utf-8") as written:
        written.write("\n[files]\n" + "".join(f'"{place}" = "{fate}"\n' for place, fate in fates.items()))
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")

    migrated = pipeline_migrate.migrate(workspace, configuration, data / "migrator.toml")

    assert migrated.holds, migrated.verified.broken
    assert () == pipeline_status.status(workspace, configuration).reasons
    into = {one.into.partition(".")[0] for one in migrated.plan.tables if one.source.startswith("alerts.")}
    assert {"cache"} == into


def test_a_file_that_is_specified_to_stay_is_not_carried(data):
    database(data / "raid_bot.db")

    refused = pipeline_migrate.plan(Workspace(data), Config(files={"raid_bot.db": "carry:core"})).refusals

    assert any(sentence.startswith('raid_bot.db: "carry:core" in [files]') for sentence in refused)


def test_ten_thousand_strangers_fill_no_screen(data, capsys):
    workspace = Workspace(data)
    found = inventory(data)
    stranger = found.databases[0]
    many = tuple(
        dataclasses.replace(
            stranger,
            place=PurePosixPath(f"x{number}.db"),
            verdict=Verdict.UNKNOWN,
            name="",
            reason="no known name",
            tables=(),
        )
        for number in range(10_000)
    )
    found = dataclasses.replace(found, databases=(*found.databases, *many), findings=("a finding",) * 10_000)

    Console(width=160).print(terminal.inventory_table(found))
    Console(width=160).print(terminal.plan_table(plan_stage.plan(found, Config(), disk=workspace.data_dir)))

    said = capsys.readouterr().out
    assert len(said) < 40_000
    for part in ("9,960 more", "x0.db", "9,995 more databases are not known", "jarvis.db"):
        assert part in said


def test_what_the_file_system_keeps_for_itself_is_passed_over(data, monkeypatch):
    (data / "lost+found").mkdir()
    (data / "private").mkdir()
    scandir = os.scandir

    def for_root_alone(path):
        if isinstance(path, os.PathLike) and os.fspath(path).endswith(("lost+found", "private")):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", for_root_alone)
    found = inventory(data)

    assert ["private"] == [str(one.place) for one in found.databases if one.verdict is Verdict.UNREADABLE]
    assert any(finding.startswith("lost+found: permission denied") for finding in found.findings)


def test_two_files_from_outside_that_have_one_name_are_refused(data, tmp_path):
    include = [tmp_path / "a" / "x.db", tmp_path / "b" / "x.db"]
    for path in include:
        database(path)

    refused = pipeline_migrate.plan(Workspace(data, include), Config(files={"included": "standalone"})).refusals

    assert any(one.startswith("included/x.db: 2 files would have this path in a snapshot") for one in refused)
