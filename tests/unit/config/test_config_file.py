"""The configuration: known keys, and one sentence for each unknown key."""

import datetime as dt
from pathlib import Path

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
        wallet_address = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
        local_utc_offset = "-06:00"
        [files]
        "notes.db" = "carry:analytics"
        "old/copy.db" = "ignore"
        [decisions]
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

    assert {"wallet_address": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU", "local_utc_offset": "-06:00"} == dict(
        found.constants
    )
    assert {"notes.db": "carry:analytics", "old/copy.db": "ignore"} == dict(found.files)
    assert ("position", ("jarvis.scorecard",), True) == (
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
        ("[decisions]\norder_amount_sol = 'guess'", "order_amount_sol must be 'position', or be left out"),
        ("[decisions]\nabsent = [1]", "decisions.absent has to be a list of texts"),
        ("[files]\n'x.db' = 'carry:elsewhere'", "'x.db': unknown fate 'carry:elsewhere'; write carry:core"),
        ("[files", "cannot be read"),
        ("a = " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("a = " + "9" * 5000, "cannot be read"),
        ("[constants]\nwallet_address = ''", "wallet_address is empty; expected 32 bytes in base58"),
        ("[constants]\nwallet_address = 'a\tb'", "found '\\t', which base58 does not have; copy the address"),
        ("[constants]\nwallet_address = '7xKX...'", "found '.', which base58 does not have"),
        ("[constants]\nwallet_address = '7xKX'", "found 4 letters, which are 3 bytes"),
        (f"[constants]\nwallet_address = '{'1' * 33}'", "found 33 letters, which are 33 bytes"),
        (f"[constants]\nwallet_address = '{'1' * 5000}'", "found 5,000 letters, which are more"),
        ("[constants]\nwallet_address = '0x7099'", "found '0', which base58 does not have"),
        (
            f"[constants]\nwallet_address = '{'1' * 64}'",
            "is a key pair of 64 bytes, which is secret; delete it from the file",
        ),
        (
            "[constants]\nlocal_utc_offset = '+14:15'",
            "from -12:00 to +14:00; found '+14:15'; on the host that wrote cache.db",
        ),
        ("[constants]\nlocal_utc_offset = '-13:00'", "from -12:00 to +14:00"),
        ("[constants]\nlocal_utc_offset = 'UTC'", "must be an offset such as -06:00"),
        (
            "[decisions]\nabsent = ['jarvis.scorcard']",
            "no known file has a table 'jarvis.scorcard'; did you mean jarvis.scorecard?",
        ),
        ("[decisions]\nabsent = ['scorecard']", "'scorecard' must name database and table"),
        ("[decisions]\nleft_behind = ['seen']", "decisions.left_behind: 'seen' must name database and table"),
        ("[decisions]\ncode_is_redy = true", "did you mean code_is_ready?"),
        ("[decisions]\namendments = ['position_histroy']", "did you mean position_history?"),
        ("[files]\n'/tmp/x.db' = 'ignore'", "'/tmp/x.db' must be a path below the data directory"),
        ("[files]\n'../x.db' = 'ignore'", "'../x.db' must be a path below the data directory"),
        ("[files]\n'' = 'ignore'", "'' must be a path below the data directory"),
        ("[hooks]\nfoler = 'x'", "unknown key hooks.foler; did you mean folder?"),
        ("[[waivers]]\nreasons = 'x'", "waiver 1: unknown key reasons; did you mean reason?"),
        ("[decisions]\naccept_quarantine = 7", "delete the line, then run: migrator quarantine accept"),
    ],
)
def test_what_nobody_knows_is_a_usage_error_that_names_the_file(tmp_path, text, sentence):
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        config_file.load(path)

    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_secret_that_was_pasted_by_mistake_is_not_repeated(tmp_path):
    secret = "4" * 88
    path = written(tmp_path, f"[constants]\nwallet_address = '{secret}'")

    with pytest.raises(UsageError) as caught:
        config_file.load(path)

    assert secret[:8] not in str(caught.value)


@pytest.mark.parametrize("offset", ["-12:00", "+14:00", "+05:45", "-00:00"])
def test_every_offset_of_the_world_is_accepted(tmp_path, offset):
    path = written(tmp_path, f"[constants]\nlocal_utc_offset = '{offset}'")

    assert offset == config_file.load(path).constants["local_utc_offset"]


def test_the_placeholder_of_the_docs_is_refused(tmp_path):
    """A configuration that was copied from the docs must not pass with a wallet that is not the owner's."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert "wallet_address" in example

    with pytest.raises(UsageError, match="is not a Solana address"):
        config_file.load(written(tmp_path, example))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        config_file.load(tmp_path / "nowhere.toml")
