"""Files that a user names: none makes migrator wait, fill the memory or end in a traceback."""

import os
import subprocess
import sys

import pytest

from migrator.config import config_file, waivers
from migrator.errors import EvidenceError, UsageError
from migrator.stages.verify import evidence as verify_evidence
from migrator.system import user_files


def a_fifo(path):
    os.mkfifo(path)


def a_device(path):
    path.symlink_to("/dev/zero")


def a_folder(path):
    path.mkdir()


def a_link_to_nowhere(path):
    path.symlink_to("nowhere")


def a_large_file(path):
    with path.open("wb") as file:
        file.truncate(user_files.LARGEST_BYTES + 1)


def no_text(path):
    path.write_bytes(b"\xff\xfe[\0")


ODD = [a_fifo, a_device, a_folder, a_link_to_nowhere, a_large_file, no_text]


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("read", [config_file.load, waivers.read, user_files.text])
def test_what_is_no_text_is_a_usage_error_that_names_it(tmp_path, make, read):
    make(tmp_path / "named")

    with pytest.raises(UsageError, match=r"cannot be read \(") as caught:
        read(tmp_path / "named")

    assert str(tmp_path / "named") == caught.value.where
    assert caught.value.hint


@pytest.mark.parametrize("make", ODD)
def test_evidence_that_is_no_text_is_an_error(tmp_path, make):
    make(tmp_path / "named")

    with pytest.raises(EvidenceError, match=r"cannot be read as evidence \(cannot be read"):
        verify_evidence.read(tmp_path / "named")


@pytest.mark.slow
@pytest.mark.parametrize("make", ODD)
def test_a_configuration_beside_the_databases_is_never_passed_over(tmp_path, make):
    make(tmp_path / "migrator.toml")
    (tmp_path / "jarvis.db").touch()

    done = subprocess.run(
        [sys.executable, "-m", "migrator", "plan", "--data-dir", tmp_path],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done.stderr
    assert tmp_path / "migrator.toml" == config_file.beside(tmp_path)


def test_the_mark_of_utf8_before_a_configuration_is_no_part_of_it(tmp_path):
    (tmp_path / "c.toml").write_bytes(b'\xef\xbb\xbf[files]\n"x.db" = "ignore"\n')

    assert {"x.db": "ignore"} == config_file.load(tmp_path / "c.toml").files


def test_a_folder_without_a_database_is_no_legacy_set(tmp_path):
    (tmp_path / "empty").mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "contracts", "-p", "no:cacheprovider", "--legacy-dir", "empty"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert f"--legacy-dir: {tmp_path}/empty: no database in this folder; name a data directory" in done.stderr
