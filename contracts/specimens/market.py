"""Rows of sentiment, calls and their outcomes, large wallets and their movements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.values import NOW, START, WRAPPED_SOL, aware, mint, moment, price, signature, steps

Rows = Iterator[tuple[Any, ...]]

FOUND = Tables()

#: Lower ends of the labels of a sentiment score.
LABELS = ((60, "very_bullish"), (20, "bullish"), (-20, "neutral"), (-60, "bearish"), (-101, "very_bearish"))


@FOUND.of(
    "sentiment.sentiment_readings", "source, symbol, score, label, confidence, timestamp, data_points, metadata_json"
)
def _readings(world: World, count: int) -> Rows:
    """Yield readings of traded tokens; 1 in 12 is of a major without a mint."""
    rng = world.rng("sentiment.sentiment_readings")
    sources = ("twitter", "telegram", "discord", "reddit", "news", "grok", "technical", "onchain", "whale")
    for index, at in enumerate(steps(count, rng)):
        symbol = world.tokens[rng.randrange(40)].symbol if index % 12 else rng.choice(world.majors)
        score = round(rng.uniform(-100, 100), 2)
        label = next(label for low, label in LABELS if score >= low)
        extra = json.dumps({"mentions": rng.randrange(500), "sample": rng.choice(world.phrases)})
        yield (
            rng.choice(sources),
            symbol.upper(),
            score,
            label,
            round(rng.random(), 3),
            aware(at),
            rng.randrange(200),
            extra,
        )


@FOUND.of(
    "call_tracking.calls",
    "id, timestamp, source, symbol, contract, verdict, score, price_at_call, reasoning, change_24h_at_call, "
    "buy_sell_ratio, volume_24h, market_cap, liquidity, holders, market_regime",
)
def _calls(world: World, count: int) -> Rows:
    """Yield calls in groups of ten at one time; the older third lacks the contract."""
    rng = world.rng("call_tracking.calls")
    tokens, phrases, majors = world.tokens[:60], world.phrases, world.majors
    at, spelled = START, ""
    gap = (NOW - START) / (count // 10 + 1)
    for index in range(count):
        if index % 10 == 0:
            at += gap
            spelled = aware(at.replace(microsecond=int(rng.random() * 1e6)))
        token = tokens[int(rng.random() ** 1.5 * 60)]
        symbol, contract = token.symbol, token.mint
        if index % 40 == 17:
            symbol, contract = majors[index // 40 % len(majors)], ""
        elif index * 3 < count:
            contract = "" if index % 4 else None  # type: ignore[assignment]
        luck = rng.random()
        score = round(luck * 2 - 1, 2)
        verdict = "BULLISH" if score > 0.1 else "BEARISH" if score < -0.1 else "NEUTRAL"
        cap = round(10 ** (5 + luck * 4), 2)
        yield (
            *(world.id8("call_tracking.calls", index), spelled, "predictions", symbol, contract, verdict, score),
            *(price(rng) if index % 25 else 0.0, phrases[int(luck * 2000)], round(luck * 90 - 30, 2)),
            *(round(0.5 + luck * 2, 3), round(cap * 0.17, 2), cap, round(cap / 9, 2), int(luck * 9000), "UNKNOWN"),
        )


@FOUND.of("call_tracking.outcomes", "id, call_id, timeframe, price_after, change_pct, measured_at")
def _outcomes(world: World, count: int) -> Rows:
    rng = world.rng("call_tracking.outcomes")
    calls = world.count("call_tracking.calls")
    for index, at in enumerate(steps(count, rng)):
        change = None if index % 30 == 29 else 0.0 if index % 30 == 14 else round(rng.gauss(0, 25), 4)
        call = world.id8("call_tracking.calls", rng.randrange(calls)) if calls else "00000000"
        yield (
            *(world.id8("call_tracking.outcomes", index), call, ("1h", "4h", "24h", "7d")[index % 4]),
            *(price(rng), change, aware(at)),
        )


@FOUND.of(
    "whales.whale_wallets",
    "address, label, category, total_value_usd, sol_balance, is_active, first_seen, last_activity, win_rate, "
    "avg_trade_size, notes, tags_json",
)
def _whale_wallets(world: World, count: int) -> Rows:
    rng = world.rng("whales.whale_wallets")
    kinds = ("exchange", "market_maker", "influencer", "smart_money", "fund", "unknown")
    for index, address in enumerate(world.wallets[:count]):
        yield (
            *(
                address,
                f"whale {index}",
                kinds[index % 6],
                round(rng.uniform(1e4, 1e7), 2),
                round(rng.uniform(10, 1e5), 9),
            ),
            *(
                int(index % 7 > 0),
                aware(moment(rng)),
                aware(NOW - timedelta(minutes=index % 5000)),
                round(rng.random(), 3),
            ),
            *(
                round(rng.uniform(100, 1e5), 2),
                None if index % 3 else "seen on a launch",
                json.dumps(["dex"] * (index % 2)),
            ),
        )


@FOUND.of(
    "whales.whale_movements",
    "wallet_address, wallet_label, timestamp, movement_type, token_symbol, token_mint, amount, value_usd, direction, "
    "tx_signature, counterparty, is_significant",
)
def _whale_movements(world: World, count: int) -> Rows:
    """Yield movements, half of them of SOL; 1 in 15 is of a wallet without a row."""
    rng = world.rng("whales.whale_movements")
    wallets = world.wallets[: world.count("whales.whale_wallets")]
    for index, at in enumerate(steps(count, rng)):
        stranger = not wallets or index % 15 == 14
        token = world.tokens[0] if index % 2 else world.tokens[1 + rng.randrange(40)]
        amount = round(rng.uniform(0.5, 5_000), 9) if token.mint == WRAPPED_SOL else round(rng.uniform(1e3, 1e9), 6)
        yield (
            *(mint(rng) if stranger else rng.choice(wallets), "", aware(at)),
            *(rng.choice(("accumulation", "distribution", "transfer", "swap")), token.symbol, token.mint, amount),
            *(round(rng.uniform(1e3, 1e6), 2), ("BUY", "SELL", "IN", "OUT", "BUY", "SELL", "")[index % 7]),
            *(signature(rng), "" if index % 3 else mint(rng), int(index % 4 == 0)),
        )
