-- The statements of the bot that its legacy databases accept, as its code has them.
-- database: jarvis
SELECT * FROM scorecard WHERE id = 1;
-- database: jarvis
SELECT order_id, order_json FROM treasury_orders;
-- database: jarvis
INSERT OR REPLACE INTO positions(id,symbol,token_mint,entry_price,entry_amount_sol,entry_amount_tokens,take_profit_price,stop_loss_price,tp_order_id,sl_order_id,status,exit_price,exit_amount_sol,pnl_sol,pnl_pct,opened_at,closed_at,tx_signature_entry,tx_signature_exit,user_id) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?);
-- database: jarvis
INSERT OR REPLACE INTO trades(id,symbol,token_mint,side,amount_sol,amount_tokens,price,timestamp,tx_signature,position_id,user_id) VALUES(?,?,?,?,?,?,?,?,?,?,?);
-- database: jarvis
DELETE FROM treasury_orders;
-- database: jarvis
UPDATE scorecard SET total_trades=?,winning_trades=?,losing_trades=?,total_pnl_sol=?,total_pnl_usd=?,largest_win_sol=?,largest_loss_sol=?,current_streak=?,best_streak=?,worst_streak=?,avg_win_pct=?,avg_loss_pct=?,win_rate=?,last_updated=? WHERE id=1;
-- database: jarvis
UPDATE pick_performance SET current_price=?,max_price=?,min_price=?,pnl_pct=?,max_gain_pct=?,hit_target=?,hit_stop=?,outcome=?,days_held=?,last_updated=? WHERE id=?;
-- database: jarvis
SELECT * FROM pick_performance WHERE outcome='open';
-- database: jarvis
SELECT * FROM pick_performance WHERE outcome != 'open';
-- database: jarvis
SELECT * FROM pick_performance WHERE asset_class=? AND outcome != 'open';
-- database: jarvis
SELECT * FROM pick_performance WHERE pick_date > date('now',?) AND outcome=? ORDER BY pick_date DESC;
-- database: jarvis
SELECT asset_class, COUNT(*), AVG(pnl_pct) FROM pick_performance WHERE pick_date > date('now',?) AND outcome!='PENDING' GROUP BY asset_class;
-- database: jarvis
SELECT * FROM trade_learnings WHERE token_symbol=? OR token_symbol='' ORDER BY confidence DESC, created_at DESC LIMIT 10;
-- database: jarvis
INSERT INTO error_logs(error_type,component,message,context,stack_trace,created_at) VALUES(?,?,?,?,?,?);
-- database: jarvis
SELECT component, COUNT(*) FROM error_logs WHERE created_at > datetime('now','-7 days') GROUP BY component;
-- database: jarvis
SELECT * FROM positions WHERE status='OPEN';
-- database: treasury_trades
INSERT INTO treasury_trades(timestamp,token_mint,side,amount_in,amount_out,pnl,success,signature) VALUES(?,?,?,?,?,?,?,?);
-- database: treasury_trades
SELECT COUNT(*) FROM treasury_trades WHERE timestamp > datetime('now', ?||' hours');
-- database: treasury_trades
SELECT SUM(pnl), COUNT(*), SUM(CASE WHEN pnl>0 THEN 1 ELSE 0 END) FROM treasury_trades WHERE timestamp > datetime('now', ?||' hours') AND success=1;
-- database: tax
SELECT * FROM tax_lots WHERE symbol=? AND remaining_quantity>0 ORDER BY purchase_date ASC;
-- database: tax
INSERT INTO tax_lots(symbol,quantity,remaining_quantity,cost_per_unit,total_cost,fee,purchase_date,tx_id,adjusted_cost_basis,wash_sale_adjustment) VALUES(?,?,?,?,?,?,?,?,?,?);
-- database: tax
UPDATE tax_lots SET remaining_quantity=? WHERE id=?;
-- database: tax
SELECT * FROM sales WHERE symbol=? AND gain_loss<0 AND datetime(sale_date)>=datetime(?) AND datetime(sale_date)<=datetime(?);
-- database: tax
SELECT * FROM tax_lots WHERE symbol=? AND remaining_quantity>0 AND id NOT IN (?) AND datetime(purchase_date)>=datetime(?) AND datetime(purchase_date)<=datetime(?);
-- database: tax
INSERT INTO wash_sales(symbol,sale_date,sale_tx_id,replacement_date,replacement_tx_id,disallowed_loss,replacement_lot_id) VALUES(?,?,?,?,?,?,?);
-- database: tax
SELECT * FROM wash_sales WHERE strftime('%Y',sale_date)=?;
-- database: telegram_memory
SELECT username,role,content,timestamp FROM messages ORDER BY id DESC LIMIT ?;
-- database: telegram_memory
INSERT INTO memories(user_id,key,value,created_at,updated_at) VALUES(?,?,?,?,?) ON CONFLICT(user_id,key) DO UPDATE SET value=?, updated_at=?;
-- database: telegram_memory
SELECT key,value FROM memories WHERE user_id=?;
-- database: telegram_memory
SELECT instruction FROM instructions WHERE active=1;
-- database: telegram_memory
SELECT topic,content,source_type,created_at,confidence FROM learnings WHERE content LIKE ? OR topic LIKE ? ORDER BY confidence DESC, created_at DESC LIMIT ?;
-- database: jarvis_admin
UPDATE users SET username=?, message_count=message_count+1, last_message_at=? WHERE user_id=?;
-- database: jarvis_admin
INSERT INTO users(user_id,username,first_seen,message_count,last_message_at) VALUES(?,?,?,1,?);
-- database: jarvis_admin
INSERT INTO messages(message_id,user_id,username,text,timestamp,chat_id) VALUES(?,?,?,?,?,?);
-- database: jarvis_admin
SELECT text,timestamp FROM messages WHERE user_id=? ORDER BY id DESC LIMIT ?;
-- database: jarvis_admin
SELECT username,text,timestamp FROM messages WHERE chat_id=? ORDER BY id DESC LIMIT ?;
-- database: jarvis_admin
SELECT user_id, COUNT(*) AS n FROM engagement WHERE timestamp>? GROUP BY user_id ORDER BY n DESC LIMIT ?;
-- database: jarvis_admin
SELECT COUNT(*) FROM engagement WHERE user_id=? AND timestamp > datetime('now','-30 days');
-- database: jarvis_x_memory
INSERT OR REPLACE INTO tweets(tweet_id,content,category,cashtags,posted_at) VALUES(?,?,?,?,?);
-- database: jarvis_x_memory
SELECT content,category,cashtags,posted_at FROM tweets WHERE posted_at>? ORDER BY posted_at DESC;
-- database: jarvis_x_memory
SELECT COUNT(*) FROM tweets;
-- database: jarvis_x_memory
SELECT category, COUNT(*) FROM tweets GROUP BY category;
-- database: jarvis_x_memory
UPDATE tweets SET engagement_likes=?, engagement_retweets=?, engagement_replies=? WHERE tweet_id=?;
-- database: jarvis_x_memory
SELECT tweet_id,category,posted_at,engagement_likes FROM tweets WHERE posted_at<? AND posted_at>? ORDER BY posted_at DESC LIMIT 50;
-- database: jarvis_x_memory
SELECT category, COUNT(*), AVG(engagement_likes), AVG(engagement_retweets), AVG(engagement_replies) FROM tweets WHERE posted_at>? GROUP BY category;
-- database: jarvis_x_memory
SELECT 1 FROM token_mentions WHERE symbol=? AND last_mentioned>?;
-- database: jarvis_x_memory
SELECT 1 FROM mention_replies WHERE tweet_id=?;
-- database: jarvis_x_memory
INSERT OR REPLACE INTO mention_replies(tweet_id,author_handle,our_reply,replied_at) VALUES(?,?,?,?);
-- database: jarvis_x_memory
SELECT 1 FROM external_replies WHERE original_tweet_id=?;
-- database: jarvis_memory
INSERT INTO entities(name,entity_type,attributes,created_at,updated_at) VALUES(?,?,?,?,?) ON CONFLICT(name,entity_type) DO UPDATE SET attributes=excluded.attributes, updated_at=excluded.updated_at;
-- database: jarvis_memory
SELECT * FROM entities WHERE name=? AND entity_type=?;
-- database: jarvis_memory
SELECT * FROM entities WHERE name LIKE ? ORDER BY updated_at DESC LIMIT ?;
-- database: jarvis_memory
INSERT INTO facts(entity,entity_id,fact,confidence,source,learned_at) VALUES(?,?,?,?,?,?) ON CONFLICT(entity,fact) DO UPDATE SET confidence=MAX(excluded.confidence,facts.confidence), source=excluded.source, learned_at=excluded.learned_at;
-- database: jarvis_memory
SELECT f.* FROM facts f JOIN facts_fts x ON f.id=x.rowid WHERE facts_fts MATCH ? ORDER BY rank LIMIT ?;
-- database: jarvis_memory
UPDATE facts SET fact=?, source=?, learned_at=? WHERE entity=? AND fact=?;
-- database: jarvis_memory
DELETE FROM facts WHERE entity=? AND fact=?;
-- database: jarvis_memory
INSERT INTO reflections(trigger,what_happened,why_failed,lesson,new_approach,created_at) VALUES(?,?,?,?,?,?);
-- database: jarvis_memory
SELECT r.* FROM reflections r JOIN reflections_fts x ON r.id=x.rowid WHERE reflections_fts MATCH ? ORDER BY rank, r.applied_count DESC LIMIT ?;
-- database: jarvis_memory
UPDATE reflections SET applied=1, applied_count=applied_count+1 WHERE id=?;
-- database: jarvis_memory
SELECT * FROM reflections WHERE applied=0 ORDER BY created_at DESC LIMIT ?;
-- database: jarvis_memory
INSERT INTO interactions(user_input,jarvis_response,feedback,session_id,timestamp,metadata) VALUES(?,?,?,?,?,?);
-- database: jarvis_memory
SELECT * FROM interactions WHERE timestamp>? AND feedback IN ('negative','confused','retry') ORDER BY timestamp DESC LIMIT ?;
-- database: jarvis_memory
INSERT INTO trust(domain,successes,last_success,updated_at) VALUES(?,1,?,?) ON CONFLICT(domain) DO UPDATE SET successes=trust.successes+1, last_success=excluded.last_success, updated_at=excluded.updated_at;
-- database: jarvis_memory
SELECT value FROM settings WHERE key=?;
-- database: sentiment
INSERT INTO sentiment_readings(source,symbol,score,label,confidence,timestamp,data_points,metadata_json) VALUES(?,?,?,?,?,?,?,?);
-- database: sentiment
SELECT * FROM sentiment_readings WHERE symbol=? AND datetime(timestamp) > datetime('now',?) ORDER BY timestamp DESC;
-- database: sentiment
UPDATE predictions SET outcome_recorded_at=?, actual_price_change=?, outcome_correct=? WHERE id=?;
-- database: sentiment
SELECT weights FROM weight_history ORDER BY timestamp DESC LIMIT 1;
-- database: call_tracking
INSERT OR IGNORE INTO calls(id,timestamp,source,symbol,contract,verdict,score,price_at_call,reasoning,change_24h_at_call,buy_sell_ratio,volume_24h,market_cap,market_regime) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?);
-- database: call_tracking
SELECT c.id, c.change_24h_at_call, c.buy_sell_ratio, c.score, t.pnl_pct FROM calls c JOIN trades t ON c.symbol=t.symbol AND c.timestamp<=t.entry_time WHERE c.verdict='BULLISH';
-- database: call_tracking
SELECT pump_level,ratio_level,score_level,regime,sample_size,win_probability,expected_value FROM probability_model WHERE sample_size>=3 ORDER BY win_probability DESC;
-- database: whales
SELECT * FROM whale_wallets WHERE address=?;
-- database: whales
SELECT * FROM whale_wallets WHERE is_active=1 AND category=?;
-- database: whales
INSERT INTO whale_movements(wallet_address,wallet_label,timestamp,movement_type,token_symbol,token_mint,amount,value_usd,direction,tx_signature,counterparty,is_significant) VALUES(?,?,?,?,?,?,?,?,?,?,?,?);
-- database: metrics
INSERT OR REPLACE INTO metrics_1m(timestamp,component,total_requests,failed_requests,error_rate,latency_p50,latency_p95,latency_p99,latency_min,latency_max,latency_mean) VALUES(?,?,?,?,?,?,?,?,?,?,?);
-- database: metrics
UPDATE alert_history SET resolved_at=? WHERE threshold_name=? AND resolved_at IS NULL;
-- database: llm_costs
INSERT INTO llm_daily_stats(date,provider,model,total_requests,successful_requests,total_input_tokens,total_output_tokens,total_cost_usd,avg_latency_ms) VALUES(?,?,?,1,?,?,?,?,?) ON CONFLICT(date,provider,model) DO UPDATE SET total_requests=total_requests+1, total_cost_usd=total_cost_usd+excluded.total_cost_usd;
-- database: llm_costs
SELECT provider, COUNT(*), SUM(input_tokens), SUM(output_tokens), SUM(cost_usd) FROM llm_usage WHERE timestamp>=? AND success=1 GROUP BY provider;
-- database: llm_costs
SELECT model, provider, COUNT(*), SUM(input_tokens+output_tokens), SUM(cost_usd) FROM llm_usage WHERE timestamp>=? AND success=1 GROUP BY model, provider ORDER BY SUM(cost_usd) DESC LIMIT ?;
-- database: llm_costs
SELECT date, SUM(total_cost_usd), SUM(total_requests) FROM llm_daily_stats WHERE date>=? GROUP BY date ORDER BY date DESC;
-- database: file_cache
SELECT value, expires_at FROM cache_entries WHERE key=?;
-- database: file_cache
DELETE FROM cache_entries WHERE expires_at<?;
-- database: file_cache
DELETE FROM cache_entries WHERE key LIKE ?;
-- database: file_cache
DELETE FROM cache_entries WHERE tags LIKE ?;
-- database: cache
SELECT key FROM cache_tags WHERE tag=?;
-- database: engagement
INSERT OR REPLACE INTO tweet_metrics(tweet_id,created_at,text_preview,likes,retweets,replies,quotes,impressions,profile_clicks,url_clicks,hashtag_clicks,detail_expands,engagement_rate,last_updated,thread_id) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?);
-- database: engagement
SELECT *, likes+retweets*2+replies*3 AS s FROM tweet_metrics WHERE datetime(created_at) > datetime('now',?) ORDER BY s DESC LIMIT ?;
-- database: jarvis_spam_protection
SELECT 1 FROM scanned_quotes WHERE tweet_id=?;
-- database: jarvis_spam_protection
SELECT tweet_id FROM jarvis_tweets WHERE last_scanned IS NULL OR last_scanned<? ORDER BY posted_at DESC LIMIT ?;
-- database: raid_bot
SELECT value FROM raid_config WHERE key=?;
-- database: achievements
SELECT * FROM badge_progress WHERE user_id=?;
-- database: achievements
SELECT badge_id, earned_at FROM user_badges WHERE user_id=? AND notified=0;
-- database: bot_health
SELECT status, COUNT(*) FROM bot_health_history WHERE bot_name=? AND recorded_at>=? GROUP BY status;
