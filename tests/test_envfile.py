"""The flag in .env: one value changes, and only if it says otherwise."""

import pytest

from migrator import envfile


@pytest.mark.parametrize("content", [b"", b"TOKEN=1", b"TOKEN=1\r\nUSE_CONSOLIDATED_DBS=false\r\n"])
def test_a_flag_that_is_false_already_is_left_as_it_is(tmp_path, content):
    """A cutover that was refused or undone must not leave a line behind."""
    env = tmp_path / ".env"
    env.write_bytes(content)

    envfile.set_flag(env, on=False)

    assert content == env.read_bytes()
