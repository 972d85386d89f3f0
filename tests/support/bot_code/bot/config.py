"""Settings of the bot."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("LIFEOS_DATA", "~/.lifeos/data")).expanduser()
JARVIS_DB = DATA_DIR / "jarvis.db"
TAX_DB = os.path.join(str(DATA_DIR), "tax.db")
MEMORY_DB = os.getenv("MEMORY_DB", "data/telegram_memory.db")
RAID_DB = f"{DATA_DIR}/raid_bot.db"
UNUSED_DB = DATA_DIR / "whales.db"
PATHS = {"llm": "data/llm_costs.db", "cache": DATA_DIR / "cache" / "file_cache.db"}


class Settings:
    sentiment = DATA_DIR.joinpath("sentiment.db")
