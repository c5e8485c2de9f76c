-- redis-sessions' soapp in one round trip: the fields of all sessions active since a moment, the
-- newest first; expired ones are left out.
-- KEYS[1] is NAMESPACE:APP:_sessions. ARGV: now minus dt, namespace:app, now.
local found = {}
for _, member in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[1])) do
    local token = string.match(member, '^[^:]*')
    local s = redis.call('HMGET', ARGV[2] .. ':' .. token, 'id', 'r', 'w', 'ttl', 'd', 'la', 'ip', 'no_resave')
    if s[1] and ARGV[3] - s[6] <= tonumber(s[4]) then
        found[#found + 1] = s
    end
end
return found
