-- redis-sessions' activity: users active since a moment.
-- KEYS[1] is NAMESPACE:APP:_users. ARGV: now minus dt.
return redis.call('ZCOUNT', KEYS[1], ARGV[1], '+inf')
