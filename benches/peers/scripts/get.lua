-- redis-sessions' get in one round trip: the fields, or nil when the session is gone or expired.
-- KEYS[1] is the session's hash. ARGV: namespace:app, token, now, namespace, app.
local s = redis.call('HMGET', KEYS[1], 'id', 'r', 'w', 'ttl', 'd', 'la', 'ip', 'no_resave')
local id, now = s[1], tonumber(ARGV[3])
if not id or now - s[6] > tonumber(s[4]) then
    return false
end
local app, token = ARGV[1], ARGV[2]
redis.call('ZADD', app .. ':_sessions', now, token .. ':' .. id)
redis.call('ZADD', app .. ':_users', now, id)
redis.call('ZADD', ARGV[4] .. ':SESSIONS', now + s[4], ARGV[5] .. ':' .. token .. ':' .. id)
redis.call('HINCRBY', KEYS[1], 'r', 1)
if now - s[6] > 1 then
    redis.call('HSET', KEYS[1], 'la', now)
end
return s
