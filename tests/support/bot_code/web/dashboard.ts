import Database from "better-sqlite3";
// const old = new Database("data/jarvis.db");
const db = new Database("data/jarvis.db", { readonly: true });
const rows = db.prepare(`
  SELECT symbol, pnl_pct
  FROM positions
  WHERE status = 'closed_tp' AND user_id = ${user}
`).all();
const any = db.prepare(`SELECT * FROM ${table}`).all();
