"""Hooks: who may stop what, and what they are told."""

import json

import pytest

from migrator import hooks
from migrator.errors import Refused


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
        with pytest.raises(Refused, match="is no program that can be run"):
            hooks.run(folder, name, {})
    assert "could not be run" in hooks.run(folder, "on-failure", {})
    with pytest.raises(Refused, match="is no folder of hooks"):
        hooks.run(tmp_path / "nowhere", "on-failure", {})


@pytest.mark.parametrize("which", ["hook", "folder"])
def test_what_others_may_change_is_refused(folder, which):
    path = hook(folder, "before-cutover", "")
    (path if which == "hook" else folder).chmod(0o722)

    with pytest.raises(Refused, match="may be changed by others"):
        hooks.run(folder, "before-cutover", {})
