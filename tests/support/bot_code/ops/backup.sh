#!/bin/sh
# sqlite3 data/jarvis.db in a comment
DATA=${DATA:-data}
sqlite3 "$DATA/jarvis.db" "SELECT token_mint, status FROM positions WHERE status = 'open'"
sqlite3 data/raid_bot.db .dump
cp "$DATA/tax.db" /backup/
