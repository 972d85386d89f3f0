"""peewee on a legacy file.  Usage: with_peewee.py DATA ROUND."""

import sys
from pathlib import Path

import peewee

DATA, ROUND = Path(sys.argv[1]), int(sys.argv[2])
NOW = f"2026-03-{ROUND + 1:02}T12:00:00+00:00"
database = peewee.SqliteDatabase(
    DATA / "jarvis.db", pragmas={"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}, timeout=30
)


class Position(peewee.Model):
    id = peewee.TextField(primary_key=True)
    symbol = peewee.TextField()
    token_mint = peewee.TextField()
    entry_price = peewee.FloatField()
    entry_amount_sol = peewee.FloatField()
    entry_amount_tokens = peewee.FloatField()
    status = peewee.TextField(null=True)
    opened_at = peewee.TextField(null=True)

    class Meta:
        database = database
        table_name = "positions"


class DailyStats(peewee.Model):
    date = peewee.TextField(primary_key=True)
    wins = peewee.IntegerField(default=0)

    class Meta:
        database = database
        table_name = "daily_stats"


database.connect()
database.create_tables([Position], safe=True)
Position.create(
    id=f"pw-{ROUND}", symbol="PW", token_mint=f"Pee{ROUND}", entry_price=1, entry_amount_sol=2, entry_amount_tokens=3, status="open",
    opened_at=NOW,
)  # fmt: skip
print(Position.update(entry_price=Position.entry_price * 2).where(Position.symbol == "PW").execute())
print([(row.id, row.entry_price) for row in Position.select().where(Position.symbol == "PW").order_by(Position.id)])
with database.atomic() as transaction:
    Position.delete().execute()
    print(Position.select().count())
    transaction.rollback()
with database.atomic():
    try:
        with database.atomic():
            Position.insert(
                id=f"pw-{ROUND}", symbol="X", token_mint="X", entry_price=1, entry_amount_sol=1, entry_amount_tokens=1
            ).execute()
    except peewee.IntegrityError as error:
        print(error)
    DailyStats.insert(date=NOW[:10], wins=1).on_conflict(
        conflict_target=[DailyStats.date], update={DailyStats.wins: DailyStats.wins + 1}
    ).execute()
DailyStats.insert_many(
    [{"date": f"2026-05-{day:02}", "wins": day} for day in range(1, 4)]
).on_conflict_replace().execute()
print(
    list(
        DailyStats.select(DailyStats.date, DailyStats.wins)
        .where(DailyStats.date > "2026-03")
        .order_by(DailyStats.date)
        .tuples()
    )
)
print(
    Position.select(peewee.fn.COUNT(Position.id), Position.status)
    .group_by(Position.status)
    .order_by(Position.status)
    .tuples()[:]
)
Position.delete().where(Position.id == f"pw-{ROUND - 1}").execute()
database.close()
