"""The flag in .env: only its value changes, and only if it differs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from migrator.switch import env_flag


@pytest.mark.parametrize("content", [b"", b"TOKEN=1", b"TOKEN=1\r\nUSE_CONSOLIDATED_DBS=false\r\n"])
def test_a_flag_that_is_false_already_is_left_as_it_is(tmp_path, content):
    """A cutover that was refused or undone must not leave a line behind."""
    env = tmp_path / ".env"
    env.write_bytes(content)

    env_flag.set_flag(env, on=False)

    assert content == env.read_bytes()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"USE_CONSOLIDATED_DBS=true\n"),
        (b"A=1", b"A=1\nUSE_CONSOLIDATED_DBS=true\n"),
        (b"A=1\r\nB=2", b"A=1\r\nB=2\r\nUSE_CONSOLIDATED_DBS=true\r\n"),
        (b"USE_CONSOLIDATED_DBS=false", b"USE_CONSOLIDATED_DBS=true"),
        (b"USE_CONSOLIDATED_DBS=\nA=1\n", b"USE_CONSOLIDATED_DBS=true\nA=1\n"),
        (b"USE_CONSOLIDATED_DBS=  # not yet\n", b"USE_CONSOLIDATED_DBS= true # not yet\n"),
        (b"  export USE_CONSOLIDATED_DBS = 'False'\t# no\r\n", b"  export USE_CONSOLIDATED_DBS = 'true'\t# no\r\n"),
        (b'USE_CONSOLIDATED_DBS=" 0 "\n', b'USE_CONSOLIDATED_DBS="true"\n'),
        # Shells: what follows on the line stays.
        (
            b"USE_CONSOLIDATED_DBS=false; export USE_CONSOLIDATED_DBS\n",
            b"USE_CONSOLIDATED_DBS=true; export USE_CONSOLIDATED_DBS\n",
        ),
        # Two lines, of which the last counts: both, since not everybody takes the last.
        (b"USE_CONSOLIDATED_DBS=no\nUSE_CONSOLIDATED_DBS=no\n", b"USE_CONSOLIDATED_DBS=true\nUSE_CONSOLIDATED_DBS=true\n"),
        # Another key, a comment, a value that dotenv reads whole, a name without a value, a byte order mark, odd bytes.
        (b"XUSE_CONSOLIDATED_DBS=false\n", b"XUSE_CONSOLIDATED_DBS=false\nUSE_CONSOLIDATED_DBS=true\n"),
        (b"#USE_CONSOLIDATED_DBS=false\n", b"#USE_CONSOLIDATED_DBS=false\nUSE_CONSOLIDATED_DBS=true\n"),
        (b"USE_CONSOLIDATED_DBS=false#x\n", b"USE_CONSOLIDATED_DBS=false#x\nUSE_CONSOLIDATED_DBS=true\n"),
        (b"USE_CONSOLIDATED_DBS\n", b"USE_CONSOLIDATED_DBS\nUSE_CONSOLIDATED_DBS=true\n"),
        (b"A=\xff\xfe\n\n\n", b"A=\xff\xfe\n\n\nUSE_CONSOLIDATED_DBS=true\n"),
    ],
)  # fmt: skip
def test_one_value_changes_and_every_other_byte_stays(tmp_path, before, after):
    env = tmp_path / ".env"
    env.write_bytes(before)
    env.chmod(0o640)

    assert "" == env_flag.complaint(env)
    assert not env_flag.flag(env)
    env_flag.set_flag(env, on=True)

    assert after == env.read_bytes()
    assert env_flag.flag(env)
    assert 0o640 == env.stat().st_mode & 0o777
    env_flag.set_flag(env, on=False)
    assert after.replace(b"true", b"false") == env.read_bytes()


def test_a_link_stays_a_link_and_what_it_names_changes(tmp_path):
    (tmp_path / "real").mkdir()
    env = tmp_path / ".env"
    env.symlink_to("real/env")

    env_flag.set_flag(env, on=True)

    assert (True, b"USE_CONSOLIDATED_DBS=true\n") == (env.is_symlink(), (tmp_path / "real" / "env").read_bytes())


def test_what_cannot_be_changed_is_told_before_a_switch(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "astray").symlink_to("nowhere/env")
    os.mkfifo(tmp_path / "fifo")

    assert env_flag.complaint(tmp_path / "loop").startswith("is a link that leads to itself; remove it: rm /")
    assert "nowhere is not there" in env_flag.complaint(tmp_path / "astray")
    for place in (tmp_path / "fifo", tmp_path):
        assert "is not a regular file; name the application's .env with --env-file" == env_flag.complaint(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_belongs_to_others_is_told_to_an_ordinary_user():
    # Not below tmp_path, which other users may not enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for where, owner, mode in (("theirs", 0, 0o644), ("mine", 65534, 0o600), ("closed/env", 65534, 0o600)):
            path = folder / "open" / where
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            path.chmod(mode)
            os.chown(path, owner, owner)
        folder.chmod(0o755)
        (folder / "open").chmod(0o777)
        (folder / "open" / "closed").chmod(0o755)
        script = (
            "import os, sys; from pathlib import Path; from migrator.switch import env_flag;"
            " os.setgroups([]); os.setgid(65534); os.setuid(65534);"
            " print(*(env_flag.complaint(Path(name)).partition('; ')[0] or 'fine' for name in sys.argv[1:]), sep='\\n')"
        )
        named = [folder / "open" / where for where in ("theirs", "mine", "closed/env")]

        done = subprocess.run([sys.executable, "-c", script, *named], capture_output=True, text=True, check=True)

    theirs, mine, closed = done.stdout.splitlines()
    assert ("belongs to user 0", "fine") == (theirs, mine)
    assert closed.endswith("closed may not be written to")


@pytest.mark.parametrize(("mark", "codec"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=\u20ac\r\nUSE_CONSOLIDATED_DBS=false\r\nB=\ud800x", "A=\u20ac\r\nUSE_CONSOLIDATED_DBS=true\r\nB=\ud800x"),
        ("A=1", "A=1\nUSE_CONSOLIDATED_DBS=true\n"),
        ("", "USE_CONSOLIDATED_DBS=true\n"),
    ],
)
def test_an_env_in_utf16_stays_in_utf16(tmp_path, mark, codec, before, after):
    env = tmp_path / ".env"
    env.write_bytes(mark + before.encode(codec, "surrogatepass"))

    assert "" == env_flag.complaint(env)
    env_flag.set_flag(env, on=True)

    assert mark + after.encode(codec, "surrogatepass") == env.read_bytes()
    assert env_flag.flag(env)


def test_behind_the_mark_of_utf8_a_line_is_added_that_every_reader_takes(tmp_path):
    """python-dotenv takes the mark for a part of the first name, others leave it out: the last line counts in both."""
    env = tmp_path / ".env"
    env.write_bytes(b"\xef\xbb\xbfUSE_CONSOLIDATED_DBS=false\n")

    env_flag.set_flag(env, on=True)

    assert b"\xef\xbb\xbfUSE_CONSOLIDATED_DBS=false\nUSE_CONSOLIDATED_DBS=true\n" == env.read_bytes()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("A=1\n".encode("utf-16-le"), "holds NUL bytes"),
        (b"\xff\xfeA", "begins with the byte order mark of UTF-16, but is not UTF-16"),
    ],
)
def test_an_env_that_is_no_text_is_told_before_a_switch(tmp_path, content, sentence):
    env = tmp_path / ".env"
    env.write_bytes(content)

    assert env_flag.complaint(env).startswith(sentence)
    assert env_flag.complaint(env).endswith("save it as UTF-8")
