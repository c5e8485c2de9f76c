-- redis-sessions' kill in one round trip: 1, or 0 when the session is gone or expired.
-- KEYS[1] is the session's hash. ARGV: namespace:app, token, now, namespace, app.
local s = redis.call('HMGET', KEYS[1], 'id', 'ttl', 'la')
local id = s[1]
if not id or ARGV[3] - s[3] > tonumber(s[2]) then
    return 0
end
local app, token = ARGV[1], ARGV[2]
redis.call('ZREM', app .. ':_sessions', token .. ':' .. id)
redis.call('SREM', app .. ':us:' .. id, token)
redis.call('ZREM', ARGV[4] .. ':SESSIONS', ARGV[5] .. ':' .. token .. ':' .. id)
local killed = redis.call('DEL', KEYS[1])
if redis.call('EXISTS', app .. ':us:' .. id) == 0 then
    redis.call('ZREM', app .. ':_users', id)
end
return killed
