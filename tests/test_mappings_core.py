"""What becomes of rows of the core and of the cache, one decision at a time, with literal values."""

# ruff: noqa: S106 - a token's mint is no password


def test_an_open_position_is_mapped(bench):
    bench.add("jarvis.positions", id="e90867f9", status="open", token_mint="Mint1", opened_at="2026-01-17T05:11:22")

    core = bench.load("core", wallet_address="W")

    assert [("open", "2026-01-17 05:11:22", "W")] == core.rows(
        "SELECT status, entry_time, wallet_address FROM core.positions"
    )
