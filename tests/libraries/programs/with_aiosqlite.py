"""aiosqlite on legacy files, as bots write it.  Usage: with_aiosqlite.py DATA ROUND."""

import asyncio
import sys
from pathlib import Path

import aiosqlite

DATA, ROUND = Path(sys.argv[1]), int(sys.argv[2])
NOW = f"2026-03-{ROUND + 1:02}T12:00:00+00:00"


async def trade(number):
    async with aiosqlite.connect(DATA / "jarvis.db", timeout=30) as db:
        db.row_factory = aiosqlite.Row
        await db.execute(
            "INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp) VALUES (?, ?, ?, 'sell', 1, 2, 0.5, ?)",
            (f"async-{ROUND}-{number}", "ASY", f"Mint{ROUND}", NOW),
        )
        await db.commit()


async def main():
    await asyncio.gather(*(trade(number) for number in range(4)))
    async with aiosqlite.connect(DATA / "jarvis.db") as db:
        db.row_factory = aiosqlite.Row
        async with db.execute(
            "SELECT id, token_mint, timestamp FROM trades WHERE symbol = 'ASY' ORDER BY id"
        ) as cursor:
            async for row in cursor:
                print(row["id"], row["token_mint"], row["timestamp"])
        async with db.execute("UPDATE positions SET user_id = ? WHERE status = 'open'", (ROUND,)) as cursor:
            print("updated", cursor.rowcount)
        await db.rollback()
        counted = await db.execute_fetchall("SELECT count(*), total(user_id) FROM positions WHERE status = 'open'")
        print([tuple(row) for row in counted])
        await db.executemany(
            "INSERT INTO daily_stats (date, wins) VALUES (?, ?) ON CONFLICT(date) DO UPDATE SET wins = wins + excluded.wins",
            [(f"2026-04-{day:02}", day) for day in range(1, 5)],
        )
        await db.commit()
        print(
            [
                tuple(row)
                for row in await db.execute_fetchall(
                    "SELECT date, wins FROM daily_stats WHERE date > '2026-04' ORDER BY 1"
                )
            ]
        )
        try:
            await db.execute("INSERT INTO scorecard (id) VALUES (7)")
        except aiosqlite.IntegrityError as error:
            print(error)
        print(db.in_transaction, db.total_changes > 0)
    async with aiosqlite.connect(f"file:{DATA / 'jarvis_memory.db'}?mode=ro", uri=True) as db:
        print([row[0] for row in await db.execute_fetchall("SELECT fact FROM facts ORDER BY id LIMIT 3")])


asyncio.run(main())
