"""What the bot remembers, read without blocking."""

import aiosqlite

from bot import config


async def remember(user):
    async with aiosqlite.connect(config.MEMORY_DB) as db:
        await db.execute(
            "INSERT INTO memories (user_id, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value",
            user,
        )
        async with db.execute("SELECT content, role FROM messages ORDER BY id DESC LIMIT ?") as cursor:
            return await cursor.fetchall()


async def sentiment():
    db = await aiosqlite.connect(config.Settings.sentiment)
    return await db.execute_fetchall("SELECT score, label FROM sentiment_readings")
