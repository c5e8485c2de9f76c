-- redis-sessions' set in one round trip: the new w, or nil when the session is gone or expired.
-- KEYS[1] is the session's hash. ARGV: namespace:app, token, now, namespace, app, members as JSON.
local s = redis.call('HMGET', KEYS[1], 'id', 'ttl', 'd', 'la')
local id, now = s[1], tonumber(ARGV[3])
if not id or now - s[4] > tonumber(s[2]) then
    return false
end
local data = s[3] and cjson.decode(s[3]) or {}
for key, value in pairs(cjson.decode(ARGV[6])) do
    if value == cjson.null then
        data[key] = nil
    else
        data[key] = value
    end
end
local app, token = ARGV[1], ARGV[2]
redis.call('ZADD', app .. ':_sessions', now, token .. ':' .. id)
redis.call('ZADD', app .. ':_users', now, id)
redis.call('ZADD', ARGV[4] .. ':SESSIONS', now + s[2], ARGV[5] .. ':' .. token .. ':' .. id)
local writes = redis.call('HINCRBY', KEYS[1], 'w', 1)
if now - s[4] > 1 then
    redis.call('HSET', KEYS[1], 'la', now)
end
if next(data) then
    redis.call('HSET', KEYS[1], 'd', cjson.encode(data))
else
    redis.call('HDEL', KEYS[1], 'd')
end
return writes
