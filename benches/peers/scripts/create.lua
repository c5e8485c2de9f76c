-- redis-sessions' create in one round trip.
-- KEYS[1] is the session's hash, NAMESPACE:APP:TOKEN. ARGV: namespace:app, token, id, ip, ttl, now,
-- d as JSON or an empty text, namespace, app.
local app, token, id, ttl, now = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[6]
redis.call('ZADD', app .. ':_sessions', now, token .. ':' .. id)
redis.call('ZADD', app .. ':_users', now, id)
redis.call('ZADD', ARGV[8] .. ':SESSIONS', now + ttl, ARGV[9] .. ':' .. token .. ':' .. id)
redis.call('SADD', app .. ':us:' .. id, token)
if ARGV[7] == '' then
    redis.call('HMSET', KEYS[1], 'id', id, 'r', 1, 'w', 1, 'ip', ARGV[4], 'la', now, 'ttl', ttl)
else
    redis.call('HMSET', KEYS[1], 'id', id, 'r', 1, 'w', 1, 'ip', ARGV[4], 'la', now, 'ttl', ttl, 'd', ARGV[7])
end
return token
