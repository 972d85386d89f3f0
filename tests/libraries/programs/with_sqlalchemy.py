"""SQLAlchemy on legacy files: core, ORM, creator= and asyncio.  Usage: with_sqlalchemy.py DATA ROUND."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool

DATA, ROUND = Path(sys.argv[1]), int(sys.argv[2])
NOW = f"2026-03-{ROUND + 1:02}T12:00:00+00:00"


class Base(DeclarativeBase):
    pass


class Entity(Base):
    __tablename__ = "entities"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    entity_type: Mapped[str]
    attributes: Mapped[str | None]
    created_at: Mapped[str]
    updated_at: Mapped[str]
    facts: Mapped[list["Fact"]] = relationship(back_populates="about", order_by="Fact.id")


class Fact(Base):
    __tablename__ = "facts"
    id: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str]
    entity_id: Mapped[int | None] = mapped_column(sa.ForeignKey("entities.id"))
    fact: Mapped[str]
    confidence: Mapped[float]
    learned_at: Mapped[str]
    about: Mapped[Entity | None] = relationship(back_populates="facts")


def core():
    engine = sa.create_engine(f"sqlite:///{DATA / 'jarvis.db'}")
    metadata = sa.MetaData()
    metadata.create_all(engine)
    positions = sa.Table("positions", metadata, autoload_with=engine)
    print([column.name for column in positions.columns][:4], [str(column.type) for column in positions.columns][:4])
    inspector = sa.inspect(engine)
    print(sorted(inspector.get_table_names())[:5], [index["name"] for index in inspector.get_indexes("positions")])
    with engine.begin() as connection:
        opened = (
            sa.select(positions.c.symbol, positions.c.token_mint)
            .where(positions.c.status == "open")
            .order_by(positions.c.id)
        )
        print(connection.execute(opened.limit(3)).all())
        stats = sa.Table("daily_stats", metadata, autoload_with=engine)
        added = insert(stats).values(date=NOW[:10], wins=1)
        connection.execute(added.on_conflict_do_update(index_elements=["date"], set_={"wins": stats.c.wins + 1}))
        print(connection.execute(sa.select(stats.c.wins).where(stats.c.date == NOW[:10])).scalar_one())
        changed = connection.execute(sa.update(positions).where(positions.c.status == "open").values(user_id=ROUND))
        print("changed", changed.rowcount)
    with engine.connect() as connection:
        connection.execute(sa.delete(positions))
        print(connection.execute(sa.select(sa.func.count()).select_from(positions)).scalar_one())
        connection.rollback()
        print(connection.execute(sa.select(sa.func.count()).select_from(positions)).scalar_one() > 0)
    engine.dispose()


def orm():
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(DATA / "jarvis_memory.db", timeout=30), poolclass=NullPool
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection, _):
        # As SQLAlchemy's own pages propose.
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        entity = Entity(name=f"orm {ROUND}", entity_type="token", attributes="{}", created_at=NOW, updated_at=NOW)
        entity.facts = [
            Fact(entity=entity.name, fact=f"fact {number} of {ROUND}", confidence=0.5, learned_at=NOW)
            for number in range(3)
        ]
        session.add(entity)
        session.commit()
        print(entity.id, [fact.id for fact in entity.facts])
        entity.facts[1].confidence = 0.75
        session.delete(entity.facts[2])
        session.commit()
        with session.begin_nested() as nested:
            session.add(Entity(name="never", entity_type="token", created_at=NOW, updated_at=NOW))
            session.flush()
            nested.rollback()
        session.add(Fact(entity="nothing", entity_id=10**6, fact=f"orphan {ROUND}", confidence=0.5, learned_at=NOW))
        try:
            session.commit()
        except sa.exc.IntegrityError as error:
            session.rollback()
            print(error.orig)
        again = Entity(name=entity.name, entity_type="token", created_at=NOW, updated_at=NOW)
        session.add(again)
        try:
            session.commit()
        except sa.exc.IntegrityError as error:
            session.rollback()
            print(error.orig)
    with Session(engine) as session:
        for found in session.scalars(sa.select(Entity).where(Entity.name.like("orm %")).order_by(Entity.id)):
            print(found.name, [(fact.fact, fact.confidence) for fact in found.facts])


async def later():
    engine = create_async_engine(f"sqlite+aiosqlite:///{DATA / 'jarvis.db'}")
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE scorecard SET total_trades = total_trades + :n"), {"n": 1})
        print((await connection.execute(sa.text("SELECT total_trades FROM scorecard"))).scalar_one())
    async with engine.connect() as connection:
        rows = await connection.stream(sa.text("SELECT id FROM trades ORDER BY id LIMIT 3"))
        print([row.id async for row in rows])
    await engine.dispose()


core()
orm()
asyncio.run(later())
