"""Full text, made by the program itself, and a table that a thread of it shares."""

import migrator

db = migrator.connect("jarvis_memory.db")
db.executescript("""
    CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, entity TEXT, fact TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS facts_fts USING fts5(fact, content = facts);
    CREATE TRIGGER IF NOT EXISTS facts_ai AFTER INSERT ON facts BEGIN
        INSERT INTO facts_fts (rowid, fact) VALUES (new.id, new.fact);
    END;
    CREATE TEMP TABLE seen AS SELECT id FROM facts;
""")
db.execute("SELECT f.fact FROM facts AS f JOIN facts_fts AS x ON f.id = x.rowid WHERE facts_fts MATCH ?")
