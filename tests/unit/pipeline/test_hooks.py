"""Hooks: which of them may stop a switch, and their environment."""

import json
import os
import time

import pytest

from migrator.errors import Refused
from migrator.pipeline import hooks
from migrator.system import durable_files


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o700)
    return folder


def hook(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def test_a_hook_is_told_in_json(folder, tmp_path):
    hook(folder, "after-cutover", f"cat > {tmp_path}/told")

    assert "" == hooks.run(folder, "after-cutover", {"run": "0001", "n": 1})

    assert {"hook": "after-cutover", "run": "0001", "n": 1} == json.loads((tmp_path / "told").read_text())


def test_one_that_is_not_there_is_not_missed(folder):
    assert ["", ""] == [hooks.run(None, "before-cutover", {}), hooks.run(folder, "before-cutover", {})]


def test_one_that_stands_before_may_stop_it_and_one_after_is_told_of(folder):
    for name in ("before-cutover", "after-cutover"):
        hook(folder, name, "exit 7")

    with pytest.raises(Refused, match="the hook before-cutover ended with 7; nothing was switched"):
        hooks.run(folder, "before-cutover", {})
    assert "the hook after-cutover ended with 7" == hooks.run(folder, "after-cutover", {})


def test_what_is_no_program_is_refused(folder, tmp_path):
    hook(folder, "before-cutover", "").chmod(0o600)
    (folder / "after-cutover").mkdir()
    hook(folder, "on-failure", "").write_text("\x7fELF nonsense")

    for name in ("before-cutover", "after-cutover"):
        with pytest.raises(Refused, match=r"is not a program that this user can run; .* chmod u\+x "):
            hooks.find(folder, name)
    assert "could not be run" in hooks.run(folder, "on-failure", {})
    with pytest.raises(Refused, match=r"is not a folder, and \[hooks\] folder .* mkdir "):
        hooks.find(tmp_path / "nowhere", "on-failure")


@pytest.mark.parametrize("which", ["hook", "folder"])
def test_what_others_may_change_is_refused(folder, which):
    path = hook(folder, "before-cutover", "")
    (path if which == "hook" else folder).chmod(0o722)

    with pytest.raises(Refused, match=r"may be changed by other users; .* chmod go-w "):
        hooks.run(folder, "before-cutover", {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("way", ["folder", "group", "link"])
def test_what_another_user_could_put_in_its_place_is_refused(tmp_path, way):
    """The folder of hooks is root's own, and lies in one where another user may give its name to another."""
    theirs = tmp_path / "home"
    folder = theirs / "hooks"
    folder.mkdir(parents=True, mode=0o700)
    hook(folder, "before-cutover", f"touch {tmp_path}/run")
    hooks.run(folder, "before-cutover", {})
    (tmp_path / "run").unlink()
    if way == "folder":
        os.chown(theirs, 4321, 4321)
    elif way == "group":
        theirs.chmod(0o770)
    else:
        folder = tmp_path / "link"
        folder.symlink_to(theirs / "hooks")
        os.chown(folder, 4321, 4321, follow_symlinks=False)

    with pytest.raises(Refused, match="can be replaced by a user who may change"):
        hooks.run(folder, "before-cutover", {})

    assert not (tmp_path / "run").exists()


def test_files_are_ours_alone_whatever_the_umask_and_hooks_keep_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "_GIVEN", {"umask": -1})
    hook(folder, "after-cutover", f"umask > {tmp_path}/hooks-umask")
    before = os.umask(0o123)
    try:
        hooks.close_to_others()
        hooks.run(folder, "after-cutover", {})
        assert 0o077 == os.umask(0o777)
        durable_files.make_private_folder(tmp_path / "a" / "b")
        durable_files.write(tmp_path / "a" / "written", "x")
    finally:
        os.umask(before)

    assert "0123" == (tmp_path / "hooks-umask").read_text().strip()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "a", *(tmp_path / "a").iterdir())}
    assert {"a": "0o700", "b": "0o700", "written": "0o600"} == modes


def test_one_that_hangs_is_killed_with_what_it_started(folder, tmp_path):
    hook(folder, "before-rollback", f"(sleep 1; touch {tmp_path}/lives) & cat > /dev/null; sleep 60")
    hook(folder, "after-rollback", "sleep 60")
    begun = time.monotonic()

    with pytest.raises(Refused, match=r"the hook before-rollback did not end within 0\.2 s and was killed"):
        hooks.run(folder, "before-rollback", {}, 0.2)
    assert "did not end" in hooks.run(folder, "after-rollback", {}, 0.2)

    assert time.monotonic() - begun < 30
    time.sleep(1.1)
    assert not (tmp_path / "lives").exists()


def test_one_that_does_not_read_what_it_is_told_does_no_harm(folder):
    hook(folder, "after-cutover", "exit 0")

    assert "" == hooks.run(folder, "after-cutover", {"long": "x" * 1_000_000})


def test_what_cannot_be_run_after_a_switch_is_refused_before_it_and_only_told_after_it(folder):
    """Once the switch is done nothing can be refused any more."""
    (folder / "after-cutover").symlink_to("nowhere")

    with pytest.raises(Refused, match=r"is a link to .*, which does not exist; .* rm "):
        hooks.look(folder, "cutover")
    hooks.look(folder, "rollback")
    assert "which does not exist" in hooks.run(folder, "after-cutover", {})
