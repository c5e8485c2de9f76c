#!/usr/bin/env tarantool
-- Write the live sessions of 0x1991/sessions as lines for `cloakroom import`.
--
--     tarantool dump_tarantool.lua HOST:PORT OUT.ndjson     from the running Tarantool of the service
--     tarantool dump_tarantool.lua DIRECTORY OUT.ndjson     from a copy of its snapshots and logs
--
-- It only reads: a running Tarantool is asked for pages, so that it serves its callers meanwhile.
-- The file holds tokens, as good as passwords while the sessions live.

local fio = require('fio')
local json = require('json')

-- Seconds without a get after which the service removes a session.
local LIFE = 15552000
-- Sessions that one step reads.
local PAGE = 1000
-- Exit status when all was dumped but some sessions could not be understood.
local SOME_UNREADABLE = 3

-- Fields of a session's tuple.
local TOKEN, USER, IP, CREATE, ACTIVITY, EXTRA = 1, 2, 3, 4, 5, 6

local function fail(text, ...)
    io.stderr:write('the dump failed: ', text:format(...), '\n')
    os.exit(1)
end

-- Bytes of the character that starts at a place, nil where they are no UTF-8.
local function character_length(text, place)
    for _, pattern in ipairs({
        '^[%z\1-\127]',
        '^[\194-\223][\128-\191]',
        '^\224[\160-\191][\128-\191]',
        '^[\225-\236\238\239][\128-\191][\128-\191]',
        '^\237[\128-\159][\128-\191]',
        '^\240[\144-\191][\128-\191][\128-\191]',
        '^[\241-\243][\128-\191][\128-\191][\128-\191]',
        '^\244[\128-\143][\128-\191][\128-\191]',
    }) do
        local first, last = text:find(pattern, place)
        if first then
            return last - first + 1
        end
    end
    return nil
end

-- The text with U+FFFD in the place of every byte that is no UTF-8: the service took any bytes.
local function utf8_text(text)
    if not text:find('[\128-\255]') then
        return text
    end
    local parts, place = {}, 1
    while place <= #text do
        local length = character_length(text, place)
        parts[#parts + 1] = length and text:sub(place, place + length - 1) or '\239\191\189'
        place = place + (length or 1)
    end
    return table.concat(parts)
end

-- The shortest digits that bring a double back, where the service shows 14; null for what JSON has
-- no spelling for.
local function number_text(number)
    if number ~= number or math.abs(number) == math.huge then
        return 'null'
    end
    for digits = 14, 16 do
        local text = ('%.' .. digits .. 'g'):format(number)
        if tonumber(text) == number then
            return text
        end
    end
    return ('%.17g'):format(number)
end

local function is_array(value)
    local kind = (getmetatable(value) or {}).__serialize
    if kind == nil then
        return #value > 0
    end
    return kind == 'seq' or kind == 'array' or kind == 'sequence'
end

local json_text

local function members_text(value)
    local parts = {}
    for key, member in pairs(value) do
        local name = json.encode(utf8_text(tostring(key)))
        parts[#parts + 1] = name .. ':' .. json_text(member)
    end
    return '{' .. table.concat(parts, ',') .. '}'
end

local function elements_text(value)
    local parts = {}
    for place, element in ipairs(value) do
        parts[place] = json_text(element)
    end
    return '[' .. table.concat(parts, ',') .. ']'
end

json_text = function(value)
    if type(value) == 'string' then
        return json.encode(utf8_text(value))
    elseif type(value) == 'number' then
        return number_text(value)
    elseif type(value) == 'table' then
        return is_array(value) and elements_text(value) or members_text(value)
    end
    -- Booleans, null, and whole numbers of 64 bits.
    return json.encode(value)
end

-- What a session keeps beside its fields, as JSON text; nil where the service shows null.
local function data_of(extra)
    if type(extra) ~= 'table' or next(extra) == nil then
        return nil
    end
    return json_text(extra)
end

local function line_of(tuple)
    local fields = {
        '"app":"@sessions"',
        '"token":' .. json.encode(tuple[TOKEN]),
        -- Users are numbers to the service and texts to cloakroom.
        '"user":"' .. json.encode(tuple[USER]) .. '"',
        '"ip":' .. json.encode(utf8_text(tuple[IP])),
        ('"created":%d'):format(tuple[CREATE]),
        ('"last":%d'):format(tuple[ACTIVITY]),
        ('"ttl":%d,"r":1,"w":1'):format(LIFE),
    }
    local data = data_of(tuple[EXTRA])
    if data then
        fields[#fields + 1] = '"data":' .. data
    end
    return '{' .. table.concat(fields, ',') .. '}\n'
end

-- Calls `each` for every living session, by their last activity. That only grows, so a session in
-- use moves ahead of the walk and comes again as it is then, but none is left out.
local function walk(space, now, each)
    local from, limit = now - LIFE + 1, PAGE
    local seen = {}
    while true do
        local page = space.index.activity:select({ from }, { iterator = 'GE', limit = limit })
        local fresh = 0
        for _, tuple in ipairs(page) do
            if tuple[ACTIVITY] > from then
                from, seen = tuple[ACTIVITY], {}
            end
            if not seen[tuple[TOKEN]] then
                seen[tuple[TOKEN]] = true
                fresh = fresh + 1
                each(tuple)
            end
        end
        if #page < limit then
            return
        end
        -- More sessions of one second than fit a page: look further.
        limit = fresh == 0 and limit * 2 or PAGE
    end
end

-- The space of sessions in a copy of the service's directory.
local function load_directory(directory)
    local bytes = 0
    for _, pattern in ipairs({ '*.snap', '*.xlog' }) do
        for _, file in ipairs(fio.glob(fio.pathjoin(directory, pattern))) do
            bytes = bytes + fio.stat(file).size
        end
    end
    if bytes == 0 then
        fail('%s holds no snapshot (*.snap) and no log (*.xlog)', directory)
    end
    box.cfg({
        memtx_dir = directory,
        wal_dir = directory,
        wal_mode = 'none',
        read_only = true,
        checkpoint_interval = 0,
        memtx_memory = bytes * 8 + 268435456,
        log_level = 3,
    })
    return box.space.sessions
end

-- The space of sessions in a running Tarantool.
local function connect(address)
    local link = require('net.box').connect(address)
    if not link:is_connected() then
        fail('%s does not answer: %s', address, link.error or 'no connection')
    end
    return link.space.sessions
end

local function dump(space, out)
    local written, unreadable = 0, 0
    walk(space, os.time(), function(tuple)
        local ok, line = pcall(line_of, tuple)
        if ok then
            written = written + 1
            if not out:write(line) then
                fail('the file cannot be written')
            end
        else
            unreadable = unreadable + 1
            -- A token is a password: the first characters are enough to find it.
            io.stderr:write(tostring(tuple[TOKEN]):sub(1, 8), '...: ', tostring(line), '\n')
        end
    end)
    return written, unreadable
end

local function main(source, path)
    if not source or not path then
        io.stderr:write('usage: tarantool dump_tarantool.lua HOST:PORT|DIRECTORY OUT.ndjson\n')
        os.exit(2)
    end
    local ok, space = pcall(fio.path.is_dir(source) and load_directory or connect, source)
    if not ok then
        fail('%s', tostring(space))
    elseif not space then
        fail('%s has no space named sessions', source)
    end
    local part = path .. '.part'
    local out, problem = fio.open(part, { 'O_WRONLY', 'O_CREAT', 'O_TRUNC' }, tonumber('600', 8))
    if not out then
        fail('%s: %s', part, tostring(problem))
    end
    local done, written, unreadable = pcall(dump, space, out)
    if not done then
        out:close()
        fio.unlink(part)
        fail('%s', tostring(written))
    end
    if not (out:fsync() and out:close() and fio.rename(part, path)) then
        fail('%s cannot be written', path)
    end
    io.stderr:write(('%d sessions written, %d unreadable\n'):format(written, unreadable))
    os.exit(unreadable > 0 and SOME_UNREADABLE or 0)
end

main(arg[1], arg[2])
