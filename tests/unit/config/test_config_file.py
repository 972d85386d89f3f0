"""The configuration: known keys, and one sentence for each unknown key."""

import datetime as dt

import pytest

from migrator.config import config_file
from migrator.errors import UsageError


def written(tmp_path, text):
    path = tmp_path / "migrator.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_the_docs_show_is_understood(tmp_path):
    path = written(
        tmp_path,
        """
        [constants]
        wallet_address = "7xKX"
        local_utc_offset = "-06:00"
        [files]
        "notes.db" = "carry:analytics"
        "old/copy.db" = "ignore"
        [decisions]
        accept_quarantine = 7
        order_amount_sol = "position"
        absent = ["jarvis.scorecard"]
        extra_indexes = ["CREATE INDEX core.idx_lots_symbol ON tax_lots(symbol)"]
        code_is_ready = true
        [[waivers]]
        id = "verify/row_says_what_was_decided"
        scope = "core.trades"
        reason = "two prices were typed by hand"
        owner = "trading lead"
        expires = 2027-01-31
        """,
    )

    found = config_file.load(path)

    assert {"wallet_address": "7xKX", "local_utc_offset": "-06:00"} == dict(found.constants)
    assert {"notes.db": "carry:analytics", "old/copy.db": "ignore"} == dict(found.files)
    assert (7, "position", ("jarvis.scorecard",), True) == (
        found.accept_quarantine,
        found.order_amount_sol,
        found.absent,
        found.code_is_ready,
    )
    (index,) = found.extra_indexes
    assert ("core", "idx_lots_symbol", "tax_lots") == (index.target, index.name, index.table)
    (waiver,) = found.waivers
    assert "verify/row_says_what_was_decided[core.trades]" == waiver.name
    assert ("two prices were typed by hand", "trading lead") == (waiver.reason, waiver.owner)
    assert dt.date(2027, 1, 31) == waiver.expires


def test_nothing_is_needed():
    assert config_file.Config() == config_file.load(None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[constant]", "unknown key constant; did you mean constants?"),
        ("[constants]\nwallet = 'x'", "unknown key constants.wallet; did you mean wallet_address?"),
        ("[constants]\nx = 'y'", "unknown key constants.x; known keys: wallet_address, local_utc_offset"),
        ("[constants]\nwallet_address = 7", "constants.wallet_address has to be of type str"),
        ("[constants]\nlocal_utc_offset = '6'", "local_utc_offset must be an offset"),
        ("[decisions]\naccept_quarantine = true", "decisions.accept_quarantine has to be of type int"),
        ("[decisions]\norder_amount_sol = 'guess'", "order_amount_sol must be 'position', or be left out"),
        ("[decisions]\nabsent = [1]", "decisions.absent has to be a list of texts"),
        ("[files]\n'x.db' = 'carry:elsewhere'", "'x.db': unknown fate 'carry:elsewhere'; write carry:core"),
        ("[files", "cannot be read"),
        ("a = " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("a = " + "9" * 5000, "cannot be read"),
        ("[constants]\nwallet_address = ''", "wallet_address must be an address"),
        ("[constants]\nwallet_address = 'a\tb'", "wallet_address must be an address"),
        ("[decisions]\naccept_quarantine = -1", "accept_quarantine must be a number of rows"),
    ],
)
def test_what_nobody_knows_is_a_usage_error_that_names_the_file(tmp_path, text, sentence):
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        config_file.load(path)

    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        config_file.load(tmp_path / "nowhere.toml")
