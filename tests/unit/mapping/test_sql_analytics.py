"""What becomes of rows of the analytics database, one decision at a time, with literal values.

Every load proves besides that each row is accounted for and is rebuilt cell by cell (mapping_bench.py).
"""

import json

import pytest

from migrator.schema import specified

SOL = "So11111111111111111111111111111111111111112"


# Messages


def test_a_message_gets_a_type(bench):
    messages = [
        ("user", "what do we hold", "query"),
        ("user", "", "query"),
        ("user", "/start", "command"),
        ("user", "code: fix it", "command"),
        ("user", "cli: ls", "command"),
        ("user", "vibe: rewrite", "command"),
        ("user", " /late", "query"),
        ("user", "Code: no prefix", "query"),
        ("user", "decode: no prefix", "query"),
        ("assistant", "what we hold", "response"),
        ("assistant", "/not a command", "response"),
        ("query", "/in the words of the target", "query"),
        (None, "/of nobody", None),
    ]
    for key, (role, content, _) in enumerate(messages):
        bench.add("telegram_memory.messages", id=key, user_id=5, role=role, content=content, chat_id=-1001234567890)

    analytics = bench.load("analytics")

    assert [(kind, content) for _, content, kind in messages] == analytics.rows(
        "SELECT message_type, message FROM analytics.telegram_messages ORDER BY id"
    )
    contexts = [json.loads(text) for (text,) in analytics.rows("SELECT context FROM analytics.telegram_messages")]
    assert [{"role": role, "chat_id": -1001234567890} for role, _, _ in messages] == contexts


def test_an_answer_stays_under_the_id_of_the_human(bench):
    bench.add("telegram_memory.messages", user_id=7, username="jarvis", role="assistant", content="yes")

    analytics = bench.load("analytics")

    assert (7, "jarvis", "response") == analytics.row(
        "SELECT user_id, username, message_type FROM analytics.telegram_messages"
    )


def test_a_message_of_nobody_or_without_content_or_in_an_unknown_role_is_quarantined(bench):
    bench.add("telegram_memory.messages", id=1, user_id=None, role="user", content="x")
    bench.add("telegram_memory.messages", id=2, user_id=7, role="user", content=None)
    bench.add("telegram_memory.messages", id=3, user_id=7, role="system", content="x")
    bench.add("telegram_memory.messages", id=4, user_id=0, role="user", content="")

    analytics = bench.load("analytics")

    assert [
        (1, "NOT NULL user_id"),
        (2, "NOT NULL message"),
        (3, "CHECK message_type IN ('command', 'query', 'response', 'notification')"),
    ] == analytics.quarantined("telegram_messages")
    assert [(4, 0, "")] == analytics.rows("SELECT id, user_id, message FROM analytics.telegram_messages")


def test_a_chat_goes_into_the_context_and_back(bench):
    chats = [-1001234567890, -(2**63), 2**63 - 1, 2**53 + 1, 0, 7]
    for chat in chats:
        bench.add("telegram_memory.messages", user_id=1, role="user", content="x", timestamp=None, chat_id=chat)

    analytics = bench.load("analytics")

    query = "SELECT json_extract(context, '$.chat_id') FROM analytics.telegram_messages ORDER BY id"
    assert [(chat,) for chat in chats] == analytics.rows(query)
    assert 0 == analytics.cell("SELECT count(rest) FROM analytics.lineage")


def test_a_time_becomes_utc_or_nothing(bench):
    times = {
        "2026-01-17T05:11:22.999999+00:00": "2026-01-17 05:11:22.999999",
        "2026-01-17T05:11:22.000001+00:00": "2026-01-17 05:11:22.000001",
        "2026-01-17T05:11:22+00:00": "2026-01-17 05:11:22",
        "2026-01-17T20:15:00-06:00": "2026-01-18 02:15:00",
        "2026-01-17": "2026-01-17 00:00:00",
        "2026-02-30T10:00:00+00:00": None,
        "2026-01-17T24:00:00+00:00": None,
        "yesterday": None,
        "": None,
        None: None,
    }
    for key, spelled in enumerate(times):
        bench.add("telegram_memory.messages", id=key, user_id=1, role="user", content="x", timestamp=spelled)

    analytics = bench.load("analytics")

    assert [(utc,) for utc in times.values()] == analytics.rows(
        "SELECT timestamp FROM analytics.telegram_messages ORDER BY id"
    )
    assert "2026-02-30T10:00:00+00:00" == analytics.rebuilt("telegram_memory.messages", 5)["timestamp"]


def test_text_of_any_bytes_goes_there_and_back(bench):
    raws = [b"caf\xe9", b"\xff", b"a\x00b", b"\x00", b"/cmd\x00tail", b"\xed\xa0\x80"]
    for raw in raws:
        key = bench.add("telegram_memory.messages", user_id=1, role="user", content="x")
        change = "UPDATE messages SET content = CAST(? AS TEXT), username = CAST(? AS TEXT) WHERE id = ?"
        bench.database("telegram_memory").execute(change, (raw, raw, key))

    analytics = bench.load("analytics")

    assert [(raw, "text") for raw in raws] == analytics.rows(
        "SELECT CAST(message AS BLOB), typeof(message) FROM analytics.telegram_messages ORDER BY id"
    )


def test_an_edited_message_is_rebuilt_as_edited(bench):
    bench.add("telegram_memory.messages", id=1, user_id=1, role="query", content="x", timestamp="no time", chat_id=None)
    analytics = bench.load("analytics")

    change = "UPDATE analytics.telegram_messages SET message_type = 'response', timestamp = '2026-01-20 10:00:00'"
    analytics.connection.execute(change)

    rebuilt = analytics.rebuilt("telegram_memory.messages", 1)
    assert ("assistant", "2026-01-20T10:00:00+00:00") == (rebuilt["role"], rebuilt["timestamp"])
    assert rebuilt["chat_id"] is None


def test_a_context_that_is_no_object_stops_nothing(bench):
    bench.add("telegram_memory.messages", id=1, user_id=1, role="user", content="x", chat_id=5)
    analytics = bench.load("analytics")

    for context in ("{broken", "", "7", b"\x00\xff", None):
        analytics.connection.execute("UPDATE analytics.telegram_messages SET context = ?", (context,))
        assert 0 == analytics.rebuilt("telegram_memory.messages", 1)["chat_id"]


# Users


def test_nobody_is_said_to_be_an_administrator_or_not(bench):
    bench.add(
        "jarvis_admin.users", user_id=7, username="", is_banned=1, warning_count=3, is_trusted=1, spam_score=0.1 + 0.2,
        first_seen="2026-01-17T10:00:00+00:00", last_message_at="", message_count=12, notes='said "hi"',
    )  # fmt: skip

    analytics = bench.load("analytics")

    assert (7, "", None, None, None, 1, "2026-01-17 10:00:00", None, 12) == analytics.row(
        "SELECT user_id, username, first_name, last_name, is_admin, is_banned, first_seen, last_seen, message_count"
        " FROM analytics.telegram_users"
    )
    preferences = analytics.cell("SELECT preferences FROM analytics.telegram_users")
    assert '{"warning_count":3,"is_trusted":1,"spam_score":0.30000000000000004,"notes":"said \\"hi\\""}' == preferences


# Posts


def test_a_post_keeps_its_category_and_the_very_text_of_its_cashtags(bench):
    bench.add(
        "jarvis_x_memory.tweets", id=3, tweet_id="1999999999999999999", content="gm", category="brand_new",
        cashtags='["$SOL" ,\t"$BONK"]', posted_at="", engagement_likes=5, engagement_retweets=1, engagement_replies=2,
    )  # fmt: skip

    analytics = bench.load("analytics")

    assert ("1999999999999999999", "gm", None, 5, 1, 2, None, None) == analytics.row(
        "SELECT tweet_id, content, timestamp, likes, retweets, replies, impressions, url FROM analytics.tweets"
    )
    metadata = analytics.cell("SELECT metadata FROM analytics.tweets")
    assert '{"category":"brand_new","cashtags":["$SOL" ,\t"$BONK"]}' == metadata
    assert analytics.rest("jarvis_x_memory.tweets", 3) is None


def test_posts_without_an_id_do_not_collide(bench):
    for key, (tweet_id, content) in enumerate([("", "x"), (None, "x"), (None, ""), ("1", None)], start=1):
        bench.add("jarvis_x_memory.tweets", id=key, tweet_id=tweet_id, content=content)

    analytics = bench.load("analytics")

    assert [(1, None), (2, None), (3, None)] == analytics.rows("SELECT id, tweet_id FROM analytics.tweets ORDER BY id")
    assert [(4, "NOT NULL content")] == analytics.quarantined("tweets")


def test_cashtags_that_are_no_list_stay_in_rest(bench):
    odd = ["$SOL", '{"a":1}', "[]\x00", "[", None, "", b"[]", "[" * 1999 + "]" * 1999]
    for key, cashtags in enumerate(odd):
        bench.add("jarvis_x_memory.tweets", id=key, content="gm", category=None, cashtags=cashtags)

    analytics = bench.load("analytics")

    metadata = analytics.rows("SELECT metadata FROM analytics.tweets ORDER BY id")
    assert [(None,)] * 7 == metadata[:7]
    assert odd == [analytics.rebuilt("jarvis_x_memory.tweets", key)["cashtags"] for key in range(len(odd))]


def test_edited_cashtags_are_rebuilt_as_edited(bench):
    bench.add("jarvis_x_memory.tweets", id=1, content="gm", cashtags='["$SOL" ]')
    analytics = bench.load("analytics")

    change = "UPDATE analytics.tweets SET metadata = json_set(metadata, '$.cashtags[1]', '$WIF', '$.pinned', 1)"
    analytics.connection.execute(change)

    assert '["$SOL","$WIF"]' == analytics.rebuilt("jarvis_x_memory.tweets", 1)["cashtags"]


# What the assistant knows


def test_of_entities_with_one_name_the_earliest_stays_and_the_facts_of_the_others_join_it(bench):
    for key, kind, at in ((1, "project", "2026-01-03"), (2, "person", "2026-01-02"), (3, "company", "no time")):
        bench.add(
            "jarvis_memory.entities", id=key, name="Jarvis", entity_type=kind, created_at=at, attributes='{"a" :1}'
        )
    bench.add("jarvis_memory.facts", id=1, entity="Jarvis", entity_id=1, fact="is a project")

    analytics = bench.load("analytics")

    assert [(2, "person", "Jarvis", None, None)] == analytics.rows(
        "SELECT id, entity_type, name, description, reference_count FROM analytics.ai_entities"
    )
    assert [(1, "UNIQUE name"), (3, "UNIQUE name")] == analytics.quarantined("ai_entities")
    assert (1, 2, "is a project", 1) == analytics.row("SELECT id, entity_id, fact, is_active FROM analytics.ai_facts")
    rebuilt = analytics.rebuilt("jarvis_memory.facts", 1)
    assert ("Jarvis", 1) == (rebuilt["entity"], rebuilt["entity_id"])
    assert '{"a" :1}' == analytics.rebuilt("jarvis_memory.entities", 2)["attributes"]


def test_a_fact_of_an_unknown_entity_gets_one_above_every_id_ever_given(bench):
    bench.add("jarvis_memory.entities", id=5, name="Known", entity_type="person")
    bench.database("jarvis_memory").execute("UPDATE sqlite_sequence SET seq = 40 WHERE name = 'entities'")
    for key, name in enumerate(("Zoe", "Known", "Adam", "Zoe", ""), start=1):
        bench.add(
            "jarvis_memory.facts", id=key, entity=name, fact=f"fact {key}", learned_at="2026-01-17T10:00:00+00:00"
        )

    analytics = bench.load("analytics")

    assert [(5, "person", "Known"), (41, "unknown", "Adam"), (42, "unknown", "Zoe")] == analytics.rows(
        "SELECT id, entity_type, name FROM analytics.ai_entities ORDER BY id"
    )
    assert [(1, 42), (2, 5), (3, 41), (4, 42), (5, None)] == analytics.rows(
        "SELECT id, entity_id FROM analytics.ai_facts ORDER BY id"
    )
    assert [("Adam", 41), ("Zoe", 42)] == analytics.rows(
        "SELECT legacy_key, target_id FROM analytics.lineage WHERE source = 'stub:unnamed entity' ORDER BY 2"
    )
    assert [("2026-01-17 10:00:00", "2026-01-17 10:00:00")] == analytics.rows(
        "SELECT DISTINCT created_at, updated_at FROM analytics.ai_facts"
    )
    assert 0 == analytics.cell("SELECT count(rest) FROM analytics.lineage WHERE source = 'jarvis_memory.facts'")


def test_unknown_entities_whose_names_differ_in_case_are_as_many_entities(bench):
    for key, name in enumerate(("Zoe", "zoe", "ZOE", "zoe"), start=1):
        bench.add("jarvis_memory.facts", id=key, entity=name, fact=f"fact {key}")

    analytics = bench.load("analytics")

    assert ["ZOE", "Zoe", "zoe"] == [name for (name,) in analytics.rows("SELECT name FROM analytics.ai_entities")]
    assert [(1, "Zoe"), (2, "zoe"), (3, "ZOE"), (4, "zoe")] == analytics.rows(
        "SELECT f.id, e.name FROM analytics.ai_facts AS f JOIN analytics.ai_entities AS e ON e.id = f.entity_id ORDER BY 1"
    )


def test_a_reflection_is_what_could_be_searched(bench):
    reflections = [
        ("wait", "smaller", "loss\n\nwait\n\nsmaller"),
        ("wait", None, "loss\n\nwait"),
        ("", "", "loss\n\n\n\n"),
        ("one\n\ntwo", "\n\n", "loss\n\none\n\ntwo\n\n\n\n"),
        ("caf\x00e", "smaller", "loss\n\ncaf\x00e\n\nsmaller"),
    ]
    for key, (lesson, new_approach, _) in enumerate(reflections):
        bench.add(
            "jarvis_memory.reflections", id=key, trigger="loss", lesson=lesson, new_approach=new_approach, applied=1,
            what_happened="zzunsearchable", why_failed=None, created_at="2026-01-17 10:00:00",
        )  # fmt: skip

    analytics = bench.load("analytics")

    assert [(key, text, "2026-01-17 10:00:00", None) for key, (_, _, text) in enumerate(reflections)] == analytics.rows(
        "SELECT rowid, content, timestamp, tags FROM analytics.ai_reflections ORDER BY rowid"
    )
    rebuilt = analytics.rebuilt("jarvis_memory.reflections", 3)
    assert ("one\n\ntwo", "\n\n", "zzunsearchable", 1) == (
        rebuilt["lesson"], rebuilt["new_approach"], rebuilt["what_happened"], rebuilt["applied"],
    )  # fmt: skip


def test_a_stale_index_does_not_matter(bench):
    bench.add("jarvis_memory.reflections", id=1, trigger="trading", lesson="zzbefore")
    bench.database("jarvis_memory").execute("UPDATE reflections SET lesson = 'zzafter'")

    analytics = bench.load("analytics")

    found = "SELECT rowid FROM analytics.ai_reflections WHERE ai_reflections MATCH ?"
    assert [] == analytics.rows(found, "zzbefore")
    assert [(1,)] == analytics.rows(found, "zzafter")
    assert [(1,)] == analytics.rows(found, "traded")


# Sentiment


def test_a_score_is_rescaled_and_comes_back_exactly(bench):
    scores = {-100.0: 0.0, 100.0: 100.0, 0.0: 50.0, 33.3: 66.65, -20.0: 40.0, 1e-300: 50.0}
    bench.add("jarvis_x_memory.token_mentions", symbol="bonk", contract_address="Mint1")
    for key, score in enumerate(scores):
        bench.add(
            "sentiment.sentiment_readings", id=key, symbol="BONK", score=score, label="neutral", metadata_json=None
        )

    analytics = bench.load("analytics")

    assert [("Mint1", rescaled) for rescaled in scores.values()] == analytics.rows(
        "SELECT token_address, score FROM analytics.sentiment_readings ORDER BY id"
    )
    rebuilt = [analytics.rebuilt("sentiment.sentiment_readings", key)["score"] for key in range(len(scores))]
    assert list(scores) == rebuilt
    assert analytics.rest("sentiment.sentiment_readings", 3) is None
    analytics.connection.execute("UPDATE analytics.sentiment_readings SET score = 75.0")
    assert 50.0 == analytics.rebuilt("sentiment.sentiment_readings", 0)["score"]


def test_a_score_off_the_scale_is_quarantined(bench):
    bench.add("jarvis_x_memory.token_mentions", symbol="BONK", contract_address="Mint1")
    for key, score in enumerate((100.5, -100.5, float("inf"), "n/a", b"\x01")):
        bench.add("sentiment.sentiment_readings", id=key, symbol="BONK", score=score)

    analytics = bench.load("analytics")

    off = "CHECK score >= 0.0 AND score <= 100.0"
    assert [(0, off), (1, off), (2, off), (3, "NOT NULL score"), (4, "NOT NULL score")] == analytics.quarantined(
        "sentiment_readings"
    )


def test_five_labels_become_three(bench):
    labels = {
        "very_bullish": "bullish",
        "bullish": "bullish",
        "very_bearish": "bearish",
        "neutral": "neutral",
        None: None,
    }
    bench.add("jarvis_x_memory.token_mentions", symbol="BONK", contract_address="Mint1")
    for key, label in enumerate(labels):
        bench.add("sentiment.sentiment_readings", id=key, symbol="BONK", label=label)

    analytics = bench.load("analytics")

    query = "SELECT sentiment FROM analytics.sentiment_readings ORDER BY id"
    assert [(sentiment,) for sentiment in labels.values()] == analytics.rows(query)
    assert "very_bullish" == analytics.rebuilt("sentiment.sentiment_readings", 0)["label"]
    analytics.connection.execute("UPDATE analytics.sentiment_readings SET sentiment = 'neutral'")
    assert "neutral" == analytics.rebuilt("sentiment.sentiment_readings", 0)["label"]


def test_a_symbol_of_no_mint_or_of_two_is_quarantined_and_so_is_an_unknown_label(bench):
    for symbol, mint in (("ONE", "Mint1"), ("TWO", "Mint2"), ("two", "Mint3")):
        bench.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=mint)
    for key, (symbol, label) in enumerate([("NONE", "neutral"), ("TWO", "neutral"), ("ONE", "euphoric")], start=1):
        bench.add("sentiment.sentiment_readings", id=key, symbol=symbol, label=label)

    analytics = bench.load("analytics")

    assert [
        (1, "NOT NULL token_address"),
        (2, "NOT NULL token_address"),
        (3, "CHECK sentiment IN ('bullish', 'bearish', 'neutral')"),
    ] == analytics.quarantined("sentiment_readings")


def test_json_of_odd_spelling_goes_there_and_back_as_text(bench):
    odd = [
        '{"a" :1.10 ,\t"a": 2,\n"b":1e400, "c":-0.0}',
        " {} ",
        '{"a":"\\u0000\\ud800"}',
        '{"metadata_json":{"score":7}}',
        '{"metadata": {} }',
    ]
    bench.add("jarvis_x_memory.token_mentions", symbol="BONK", contract_address="Mint1")
    for key, text in enumerate(odd):
        bench.add(
            "sentiment.sentiment_readings", id=key, symbol="BONK", score=-33.0, label="very_bearish", data_points=4,
            metadata_json=text,
        )  # fmt: skip
        bench.add("llm_costs.llm_usage", id=key, provider="xai", success=1, metadata=text, created_at=None)

    analytics = bench.load("analytics")

    before = '{"score":-33.0,"label":"very_bearish","data_points":4,"metadata_json":'
    assert [(before + text + "}",) for text in odd] == analytics.rows(
        "SELECT metadata FROM analytics.sentiment_readings ORDER BY id"
    )
    assert [('{"success":1,"metadata":' + text + "}",) for text in odd] == analytics.rows(
        "SELECT metadata FROM analytics.llm_costs ORDER BY id"
    )
    assert 0 == analytics.cell("SELECT count(rest) FROM analytics.lineage")


def test_what_is_no_json_object_is_no_metadata(bench):
    odd = ["{broken", "[]", "7", "null", "", '{}\x00{"a":1}', b"{}", None]
    bench.add("jarvis_x_memory.token_mentions", symbol="BONK", contract_address="Mint1")
    for key, text in enumerate(odd):
        bench.add("sentiment.sentiment_readings", id=key, symbol="BONK", score=0.0, metadata_json=text)
        bench.add("llm_costs.llm_usage", id=key, provider="xai", success=1, metadata=text, created_at=None)

    analytics = bench.load("analytics")

    assert [('{"score":0.0}',)] * 8 == analytics.rows("SELECT metadata FROM analytics.sentiment_readings")
    assert [('{"success":1}',)] * 8 == analytics.rows("SELECT metadata FROM analytics.llm_costs")
    assert odd == [analytics.rebuilt("llm_costs.llm_usage", key)["metadata"] for key in range(len(odd))]


# Calls


def test_calls_are_numbered_by_time_and_an_id_that_looks_like_a_number_stays_text(bench):
    for key, day, verdict in (("ffffffff", 18, "BULLISH"), ("1234e002", 17, "BEARISH"), ("12345678", 17, "NEUTRAL")):
        at = f"2026-01-{day}T10:00:00+00:00"
        bench.add("call_tracking.calls", id=key, timestamp=at, contract="Mint1", verdict=verdict)
    bench.add("call_tracking.outcomes", id="o1", call_id="1234e002", change_pct=-2.5)

    analytics = bench.load("analytics")

    assert [("12345678", "text", 1), ("1234e002", "text", 2), ("ffffffff", "text", 3)] == analytics.rows(
        "SELECT legacy_key, typeof(legacy_key), target_id FROM analytics.lineage WHERE target = 'calls' ORDER BY 3"
    )
    assert [(1, "hold"), (2, "sell"), (3, "buy")] == analytics.rows(
        "SELECT id, call_type FROM analytics.calls ORDER BY id"
    )
    assert [(2, "win")] == analytics.rows("SELECT call_id, outcome FROM analytics.call_outcomes")


def test_what_was_known_at_a_call_is_metadata(bench):
    bench.add(
        "call_tracking.calls", id="a", timestamp="2026-01-17T10:00:00+00:00", source="predictions", symbol="BONK",
        contract="Mint1", verdict="CAUTIOUSLY BULLISH", score=0.1 + 0.2, price_at_call=0.0, reasoning="", holders=4366,
        change_24h_at_call=13.66, buy_sell_ratio=None, market_regime="UNKNOWN",
    )  # fmt: skip

    analytics = bench.load("analytics")

    assert ("BONK", "Mint1", None, None, None, None, "", "2026-01-17 10:00:00", "predictions") == analytics.row(
        "SELECT symbol, token_address, call_type, entry_price, target_price, stop_loss_price, reasoning, timestamp, caller"
        " FROM analytics.calls"
    )
    expected = (
        '{"verdict":"CAUTIOUSLY BULLISH","score":0.30000000000000004,"change_24h_at_call":13.66,"holders":4366,'
        '"market_regime":"UNKNOWN"}'
    )
    assert expected == analytics.cell("SELECT metadata FROM analytics.calls")
    assert analytics.rest("call_tracking.calls", "a") is None


def test_a_call_without_a_contract_gets_the_mint_of_its_symbol_or_is_quarantined(bench):
    bench.add("jarvis_x_memory.token_mentions", symbol="Bonk", contract_address="Mint1")
    for key, (symbol, contract) in {
        "a": ("BONK", ""),
        "b": ("bonk", None),
        "c": ("WHO", ""),
        "d": ("WHO", None),
    }.items():
        bench.add("call_tracking.calls", id=key, symbol=symbol, contract=contract)
    bench.add("call_tracking.calls", id=None, contract="Mint1")

    analytics = bench.load("analytics")

    assert [("Mint1",), ("Mint1",)] == analytics.rows("SELECT token_address FROM analytics.calls")
    assert [(None, "NOT NULL id"), ("c", "NOT NULL token_address"), ("d", "NOT NULL token_address")] == (
        analytics.quarantined("calls")
    )


def test_an_outcome_is_the_sign_of_the_change(bench):
    outcomes = [
        ("BULLISH", 2.5, "win"),
        ("BULLISH", -2.5, "loss"),
        ("BULLISH", 0.0, "break_even"),
        ("BULLISH", 5e-324, "win"),
        ("BEARISH", 2.5, "loss"),
        ("BEARISH", -2.5, "win"),
        ("BEARISH", 0.0, "break_even"),
        ("NEUTRAL", 2.5, None),
        ("NEUTRAL", 0.0, None),
        ("MOON", -2.5, None),
        ("BULLISH", None, None),
        ("BULLISH", "n/a", None),
    ]
    for key, (verdict, change, _) in enumerate(outcomes, start=10):
        bench.add("call_tracking.calls", id=f"c{key}", contract="Mint1", verdict=verdict)
        bench.add(
            "call_tracking.outcomes", id=f"o{key}", call_id=f"c{key}", timeframe="4h", change_pct=change,
            price_after=0.02, measured_at="2026-01-17T10:00:00+00:00",
        )  # fmt: skip

    analytics = bench.load("analytics")

    assert [(outcome, change, "2026-01-17 10:00:00", "4h") for _, change, outcome in outcomes] == analytics.rows(
        "SELECT outcome, pnl_percent, closed_at, notes FROM analytics.call_outcomes ORDER BY id"
    )
    assert '{"price_after":[0.02,null]}' == analytics.rest("call_tracking.outcomes", "o10")


def test_the_outcome_of_a_call_that_is_quarantined_or_not_there_is_quarantined(bench):
    bench.add("call_tracking.calls", id="lost", contract="", symbol="WHO")
    for key, call in (("a", "lost"), ("b", "gone"), ("c", "")):
        bench.add("call_tracking.outcomes", id=key, call_id=call)

    analytics = bench.load("analytics")

    assert [(key, "NOT NULL call_id") for key in "abc"] == analytics.quarantined("call_outcomes")


# Whales


def test_unknown_wallets_whose_addresses_differ_in_case_are_as_many_wallets(bench):
    for key, wallet in enumerate(("Wa", "wA"), start=1):
        bench.add(
            "whales.whale_movements", id=key, wallet_address=wallet, token_mint=SOL, amount=1.5, tx_signature=f"s{key}"
        )

    analytics = bench.load("analytics")

    assert [("Wa",), ("wA",)] == analytics.rows("SELECT address FROM analytics.whale_wallets ORDER BY 1")
    assert [("Wa",), ("wA",)] == analytics.rows("SELECT wallet_address FROM analytics.whale_movements ORDER BY id")


def test_a_wallet_that_only_movements_name_gets_a_row_that_claims_nothing(bench):
    bench.add("whales.whale_wallets", address="W1", label="fund one", sol_balance=12.5, tags_json='["a" , "b"]')
    for key, wallet in enumerate(("W1", "W9", "W9", "W8"), start=1):
        mint = SOL if key < 4 else "Mint1"
        bench.add(
            "whales.whale_movements", id=key, wallet_address=wallet, token_mint=mint, amount=1.5, tx_signature=f"s{key}"
        )

    analytics = bench.load("analytics")

    assert [("W1", "fund one", None, 1), ("W8", None, None, None), ("W9", None, None, None)] == analytics.rows(
        "SELECT address, label, total_sol_moved, is_active FROM analytics.whale_wallets ORDER BY address"
    )
    assert [
        ("stub:unknown wallet", "W8", "W8"),
        ("stub:unknown wallet", "W9", "W9"),
        ("whales.whale_wallets", "W1", "W1"),
    ] == (
        analytics.rows(
            "SELECT source, legacy_key, target_id FROM analytics.lineage WHERE target = 'whale_wallets' ORDER BY 1, 2"
        )
    )
    assert [(1, "W1"), (2, "W9"), (3, "W9")] == analytics.rows(
        "SELECT id, wallet_address FROM analytics.whale_movements ORDER BY id"
    )


def test_bought_is_in_and_sold_is_out(bench):
    directions = {"BUY": "in", "IN": "in", "SELL": "out", "OUT": "out", "in": "in", "out": "out", "": None, None: None}
    for key, direction in enumerate(directions):
        signature = f"s{key}"
        bench.add(
            "whales.whale_movements", id=key, wallet_address="W", token_mint=SOL, amount=1.5, direction=direction,
            tx_signature=signature,
        )  # fmt: skip

    analytics = bench.load("analytics")

    assert [(1.5, moved) for moved in directions.values()] == analytics.rows(
        "SELECT amount_sol, direction FROM analytics.whale_movements ORDER BY id"
    )
    rebuilt = [analytics.rebuilt("whales.whale_movements", key)["direction"] for key in range(len(directions))]
    assert list(directions) == rebuilt


def test_an_amount_of_another_token_is_no_amount_of_sol(bench):
    bench.add("jarvis_x_memory.token_mentions", symbol="SOL", contract_address=SOL)
    planted = [
        {"token_mint": "Mint1", "token_symbol": "SOL"},
        {"token_mint": "", "token_symbol": "sol"},
        {"token_mint": None, "token_symbol": "WHO"},
        {"token_mint": SOL, "amount": None},
        {"token_mint": SOL, "wallet_address": ""},
        {"token_mint": SOL, "wallet_address": None},
        {"token_mint": SOL, "direction": "STAKE"},
    ]
    for key, cells in enumerate(planted, start=1):
        bench.add("whales.whale_movements", **{"id": key, "wallet_address": "W", "amount": 2.0, **cells})

    analytics = bench.load("analytics")

    assert [(2, SOL, 2.0)] == analytics.rows("SELECT id, token_address, amount_sol FROM analytics.whale_movements")
    assert [
        (1, "NOT NULL amount_sol"),
        (3, "NOT NULL token_address"),
        (4, "NOT NULL amount_sol"),
        (5, "NOT NULL wallet_address"),
        (6, "NOT NULL wallet_address"),
        (7, "CHECK direction IN ('in', 'out')"),
    ] == analytics.quarantined("whale_movements")
    assert [("W",)] == analytics.rows("SELECT address FROM analytics.whale_wallets")


def test_movements_without_a_signature_do_not_collide(bench):
    for key, signature in enumerate(("", None, None, "s1"), start=1):
        bench.add(
            "whales.whale_movements", id=key, wallet_address="W", token_mint=SOL, amount=1.0, tx_signature=signature
        )

    analytics = bench.load("analytics")

    assert [(None,), (None,), (None,), ("s1",)] == analytics.rows(
        "SELECT signature FROM analytics.whale_movements ORDER BY id"
    )
    assert ["", None, None, "s1"] == [
        analytics.rebuilt("whales.whale_movements", key)["tx_signature"] for key in (1, 2, 3, 4)
    ]


# Metrics


def test_a_wide_row_becomes_a_row_for_each_measure_that_is_there(bench):
    measures = {"total_requests": 40, "failed_requests": 0, "error_rate": 0.0, "latency_p50": 12.5}
    bench.add("metrics.metrics_1m", id=1, timestamp="2026-01-17T10:01:00+00:00", component="grok", **measures)
    bench.add("metrics.metrics_1m", id=2, timestamp="2026-01-17T10:00:00+00:00", component='a "b"', latency_mean=1.0)
    bench.add("metrics.metrics_1m", id=3, timestamp="2026-01-17T09:00:00+00:00", component="silent")
    bench.add("metrics.metrics_1h", id=1, timestamp="2026-01-17T10:00:00+00:00", component="grok", latency_max=2.0)

    analytics = bench.load("analytics")

    # The minutes gave ids up to 3; new ones begin above.
    assert [
        (4, "latency_max", 2.0, "2026-01-17 10:00:00", '{"component":"grok","resolution":"1h"}'),
        (5, "latency_mean", 1.0, "2026-01-17 10:00:00", '{"component":"a \\"b\\"","resolution":"1m"}'),
        (6, "total_requests", 40.0, "2026-01-17 10:01:00", '{"component":"grok","resolution":"1m"}'),
        (7, "failed_requests", 0.0, "2026-01-17 10:01:00", '{"component":"grok","resolution":"1m"}'),
        (8, "error_rate", 0.0, "2026-01-17 10:01:00", '{"component":"grok","resolution":"1m"}'),
        (9, "latency_p50", 12.5, "2026-01-17 10:01:00", '{"component":"grok","resolution":"1m"}'),
    ] == analytics.rows("SELECT id, metric_name, metric_value, timestamp, tags FROM analytics.metrics ORDER BY id")
    assert [(1, 6), (1, 7), (1, 8), (1, 9), (2, 5), (3, None)] == analytics.rows(
        "SELECT legacy_key, target_id FROM analytics.lineage WHERE source = 'metrics.metrics_1m' ORDER BY 1, 2"
    )
    rebuilt = analytics.rebuilt("metrics.metrics_1m", 1)
    assert (40, int, 0.0, float) == (
        rebuilt["total_requests"],
        type(rebuilt["total_requests"]),
        rebuilt["error_rate"],
        type(rebuilt["error_rate"]),
    )
    assert "silent" == analytics.rebuilt("metrics.metrics_1m", 3)["component"]


@pytest.mark.parametrize(
    ("names", "providers"),
    [
        ([], [("anthropic", None), ("other", "groq"), ("other", "mistral"), ("other", None)]),
        (["llm_providers"], [("anthropic", None), ("groq", None), ("other", "mistral"), ("other", None)]),
    ],
    ids=["as written", "llm_providers"],
)
def test_a_provider_that_the_amendment_lists_keeps_its_name(bench, names, providers):
    for number, provider in enumerate(("anthropic", "groq", "mistral", "other"), start=1):
        bench.add("llm_costs.llm_usage", id=number, provider=provider, success=1)

    analytics = bench.load("analytics", specification=specified.chosen(names))

    assert [] == analytics.quarantined("llm_costs")
    assert providers == analytics.rows(
        "SELECT provider, json_extract(metadata, '$.provider') FROM analytics.llm_costs ORDER BY id"
    )
    assert ["anthropic", "groq", "mistral", "other"] == [
        analytics.rebuilt("llm_costs.llm_usage", number)["provider"] for number in range(1, 5)
    ]


def test_with_metric_uniqueness_a_minute_that_is_there_twice_is_in_once(bench):
    """The two legacy times differ as texts, and are one instant."""
    bench.add("metrics.metrics_1m", id=1, timestamp="2026-01-17T10:00:00+00:00", component="grok", latency_mean=1.0)
    bench.add("metrics.metrics_1m", id=2, timestamp="2026-01-17T11:00:00+01:00", component="grok", latency_mean=2.0)
    bench.add("metrics.metrics_1m", id=3, timestamp="2026-01-17T10:00:00+00:00", component="other", latency_mean=3.0)
    bench.add("metrics.metrics_1h", id=1, timestamp="2026-01-17T10:00:00+00:00", component="grok", latency_mean=4.0)

    analytics = bench.load("analytics", specification=specified.chosen(["metric_uniqueness"]))

    assert [(2, "UNIQUE metric_name, timestamp, tags")] == analytics.quarantined("metrics")
    assert [(1.0,), (3.0,), (4.0,)] == analytics.rows(
        "SELECT metric_value FROM analytics.metrics WHERE metric_name = 'latency_mean' ORDER BY 1"
    )


def test_a_count_beyond_a_float_comes_back_exactly(bench):
    bench.add("metrics.metrics_1m", id=1, total_requests=2**53 + 1, failed_requests="many", latency_p50=7)

    analytics = bench.load("analytics")

    rebuilt = analytics.rebuilt("metrics.metrics_1m", 1)
    assert (2**53 + 1, "many", 7.0) == (rebuilt["total_requests"], rebuilt["failed_requests"], rebuilt["latency_p50"])


# Costs


def test_a_provider_that_is_not_listed_is_other(bench):
    bench.add(
        "llm_costs.llm_usage", id=1, timestamp="2026-01-24T01:09:04.119226+00:00", provider="groq",
        model="llama-3.3-70b-versatile", input_tokens=407, output_tokens=425, cost_usd=9.9e-05, latency_ms=1236.786,
        success=1, created_at="2026-01-24 01:09:04",
    )  # fmt: skip

    analytics = bench.load("analytics")

    assert ("other", "llama-3.3-70b-versatile", 407, 425, 9.9e-05, None, "2026-01-24 01:09:04.119226") == analytics.row(
        "SELECT provider, model, input_tokens, output_tokens, cost_usd, purpose, timestamp FROM analytics.llm_costs"
    )
    metadata = analytics.cell("SELECT metadata FROM analytics.llm_costs")
    assert '{"provider":"groq","success":1,"latency_ms":1236.786,"created_at":"2026-01-24 01:09:04"}' == metadata
    assert analytics.rest("llm_costs.llm_usage", 1) is None
    analytics.connection.execute("UPDATE analytics.llm_costs SET provider = 'xai'")
    assert "xai" == analytics.rebuilt("llm_costs.llm_usage", 1)["provider"]


def test_a_listed_provider_stays(bench):
    providers = ["anthropic", "xai", "openai", "other"]
    for provider in providers:
        bench.add("llm_costs.llm_usage", provider=provider, success=0, error="429: slow\ndown", created_at=None)

    analytics = bench.load("analytics")

    assert [(provider, '{"success":0,"error":"429: slow\\ndown"}') for provider in providers] == analytics.rows(
        "SELECT provider, metadata FROM analytics.llm_costs ORDER BY id"
    )
    assert 0 == analytics.cell("SELECT count(rest) FROM analytics.lineage")


def test_numbers_inside_json_come_back_bit_by_bit(bench):
    numbers = [5e-324, 1.7976931348623157e308, 0.1 + 0.2, float("inf"), 2.0**63]
    for key, number in enumerate(numbers):
        bench.add("llm_costs.llm_usage", id=key, provider="xai", cost_usd=number, latency_ms=number)

    analytics = bench.load("analytics")

    rebuilt = [analytics.rebuilt("llm_costs.llm_usage", key) for key in range(len(numbers))]
    assert [(number, number) for number in numbers] == [(row["cost_usd"], row["latency_ms"]) for row in rebuilt]
