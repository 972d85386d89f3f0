"""The file that lists the installs of a fleet."""

from pathlib import Path

import pytest

from migrator.config import installs
from migrator.errors import UsageError
from migrator.records.fleet import Install


def read(tmp_path, text, name="installs"):
    path = tmp_path / name
    path.write_text(text)
    return installs.load(path)


def test_a_line_is_an_install_and_a_comment_is_none(tmp_path):
    text = '# hosts\n\nalpha, /srv/alpha\n"b, c", /srv/beta, /etc/beta.toml, tcp://10.0.0.7:8786\n  d,/srv/d,,disk-d\n'

    assert (
        Install(name="alpha", data_dir=Path("/srv/alpha")),
        Install(name="b, c", data_dir=Path("/srv/beta"), config=Path("/etc/beta.toml"), worker="tcp://10.0.0.7:8786"),
        Install(name="d", data_dir=Path("/srv/d"), worker="disk-d"),
    ) == read(tmp_path, text)


def test_toml_says_the_same_and_names_files_outside(tmp_path):
    text = '[[install]]\nname = "a"\ndata_dir = "/srv/a"\ninclude = ["/srv/x.db"]\nworker = "disk-a"\n'

    assert (Install(name="a", data_dir=Path("/srv/a"), include=(Path("/srv/x.db"),), worker="disk-a"),) == read(
        tmp_path, text, "installs.toml"
    )


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("", "i", "lists no install; write: NAME, DATA_DIR"),
        ("alone\n", "i", "line 1 has 1 columns, expected 2 to 4"),
        ("a, b, c, d, e\n", "i", "line 1 has 5 columns"),
        ("a, srv/a\n", "i", "line 1: srv/a is not an absolute path; write it from /"),
        (", /srv/a\n", "i", "line 1: "),
        ("a, /srv/a\na, /srv/b\n", "i", "the name a is there 2 times"),
        ("a, /srv/a\nb, /srv/a\n", "i", "the data directory /srv/a is there 2 times"),
        ("[[install]]\nname = 3\n", "i.toml", "install 1: "),
        ('[[install]]\nname = "a"\ndatadir = "/a"\n', "i.toml", "unknown key datadir; did you mean data_dir?"),
        ('[[install]]\nname = ""\ndata_dir = "/a"\n', "i.toml", "install 1: the name is empty"),
        ('[instal]\nname = "a"\n', "i.toml", "unexpected: instal; write a table"),
        ("install = 3\n", "i.toml", "unexpected: install"),
        ("[[install]\n", "i.toml", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, name, says):
    with pytest.raises(UsageError) as error:
        read(tmp_path, text, name)
    assert says in str(error.value)


def test_one_directory_on_two_workers_is_two_installs(tmp_path):
    assert 2 == len(read(tmp_path, "a, /srv/bot, , host-a\nb, /srv/bot, , host-b\n"))
