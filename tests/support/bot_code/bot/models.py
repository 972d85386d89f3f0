"""The same tables for SQLAlchemy."""

from sqlalchemy import Column, Integer, Text, create_engine, text
from sqlalchemy.orm import declarative_base, sessionmaker

from bot.config import JARVIS_DB, PATHS

engine = create_engine(f"sqlite:///{JARVIS_DB}")
costs = create_engine("sqlite:///" + PATHS["llm"])
Session = sessionmaker(bind=engine)
Base = declarative_base()


class Trade(Base):
    __tablename__ = "trades"
    id = Column(Text, primary_key=True)
    side = Column(Text)
    user_id = Column(Integer)


def spent():
    with costs.connect() as connection:
        return connection.execute(text("SELECT sum(cost_usd) FROM llm_usage")).scalar()


def learnings():
    session = Session()
    return session.execute(text("SELECT insight FROM trade_learnings"))
