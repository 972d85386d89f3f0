-- query:  instructions_active
-- legacy: telegram_memory.instructions
-- target: analytics.legacy_telegram_memory_instructions
-- asked:  hot: the context of every answer
SELECT instruction
FROM instructions
WHERE active = 1;

-- consolidated:
SELECT instruction
FROM legacy_telegram_memory_instructions
WHERE active = 1;
