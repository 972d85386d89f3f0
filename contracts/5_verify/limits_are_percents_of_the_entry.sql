-- A position's take-profit and stop-loss percentages of its entry price give the legacy prices back.
-- clause: M10
-- variant: found
SELECT s.id
FROM jarvis.positions AS s
JOIN core.lineage AS l ON l.source = 'jarvis.positions' AND l.target = 'positions' AND l.legacy_key = +s.id
JOIN core.positions AS t ON t.id = +l.target_id
-- Only prices of a usual size are compared here, to nine digits; the oracle compares all, exactly.
WHERE typeof(s.entry_price) = 'real' AND s.entry_price BETWEEN 1e-12 AND 1e12 AND (
    s.take_profit_price BETWEEN 1e-12 AND 1e12
    AND ifnull(abs(t.entry_price * (1 + t.take_profit_percent / 100) - s.take_profit_price), 9e999)
        > 1e-9 * max(s.take_profit_price, s.entry_price)
    OR s.stop_loss_price BETWEEN 1e-12 AND 1e12
    AND ifnull(abs(t.entry_price * (1 - t.stop_loss_percent / 100) - s.stop_loss_price), 9e999)
        > 1e-9 * max(s.stop_loss_price, s.entry_price)
);

-- broken by:
UPDATE core.positions SET take_profit_percent = take_profit_percent / 100 
WHERE take_profit_percent BETWEEN 1 AND 1000 AND entry_price BETWEEN 1e-6 AND 1e6;
UPDATE core.positions SET stop_loss_percent = stop_loss_percent / 100 
WHERE stop_loss_percent BETWEEN 1 AND 90 AND entry_price BETWEEN 1e-6 AND 1e6;
