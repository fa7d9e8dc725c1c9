-- Hands out the permits of one route, on the server's clock, to every process of an organisation. Atomic, as every script is.
--
-- KEYS: 1 the route's state (hash), 2 its log (sorted set: permit id -> the microsecond at which it is sent),
-- 3 the processes that wait for a permit (sorted set: process -> the microsecond at which it first asked),
-- 4 the same processes (sorted set: process -> the microsecond for which it was told to come), 5 the newest answers (list),
-- 6 the log without delays on the way (sorted set: permit id -> the microsecond at which it left).
-- ARGV: a `ScriptQuestion` as JSON. The reply is read by `ScriptReply`. All times are in microseconds.
--
-- The rule: never more than `count` permits within any `window`. So the next permit is due a window after the count-th newest
-- entry; and permits are spaced evenly, so that servers that count in buckets accept them too. A schedule that has fallen
-- behind catches up, by a tenth of the spacing and two permits at most.
-- Only permits within `horizon` are handed out: whoever dies holding one loses no more than that, and the answers to those a
-- window before are there.
--
-- What the answers teach is no matter of this script: it puts them in an order, with what only the log knows (how many of ours
-- the server counted with each), and every process draws the same conclusions from them. Who has heard most of them says how
-- many permits fit into a window: a process that has just come knows less.

local state, log, queue, back, answers, given = unpack(KEYS)
local ask = cjson.decode(ARGV[1])

local SECOND, LONGEST_PAUSE, KEPT, KEPT_ANSWERS = 1000000, 60000000, 5000000, 64
local PROBE_FROM, PROBE_WAIT = 3 * SECOND, 2 * SECOND

local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]

local function whole(number) return string.format('%.0f', number) end -- tostring() would round microseconds since 1970
local function score(reply) return tonumber(reply[2]) end -- of ZRANGE ... WITHSCORES with one entry, or nil

local names = {'size', 'span', 'gap', 'heard', 'decided', 'told', 'pause', 'hold', 'even', 'probe_until'}
local kept = {}
for place, value in ipairs(redis.call('HMGET', state, unpack(names))) do kept[names[place]] = tonumber(value) or 0 end
local probe = redis.call('HGET', state, 'probe') or ''
local pause, hold, even, told = kept.pause, kept.hold, kept.even, kept.told

if kept.size == 0 or ask.heard >= kept.heard or math.abs(now - kept.decided) > SECOND then
  kept.size, kept.span, kept.gap, kept.heard, kept.decided = ask.size, ask.span, ask.gap, ask.heard, now
end

local count, window = kept.size, kept.span + ask.guard
local gap = math.max(window / count, kept.gap)

-- Permits that went late, and permits that nobody will use.
for id, later in pairs(ask.late) do redis.call('ZADD', log, 'XX', 'INCR', later, id) end
for id, later in pairs(ask.left) do
  for _, key in ipairs({log, given}) do redis.call('ZADD', key, 'XX', 'INCR', later, id) end
end
for _, key in ipairs({log, given}) do
  for _, id in ipairs(ask.unused) do redis.call('ZREM', key, id) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - window - KEPT))
end

-- A log that cannot be: entries further ahead than permits are ever handed out (the clock was set back), or without the permit
-- that the caller used within this window (flushed, evicted, restarted, set forward). Then nobody knows who sent what: hold.
local newest = score(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES'))
local lost = false
if newest and newest > now + math.max(ask.horizon, SECOND) + SECOND then
  redis.call('DEL', log, given)
  newest, lost = nil, true
end
if ask.last_permit ~= '' and not lost then
  local seen = redis.call('ZSCORE', log, ask.last_permit)
  lost = not seen or tonumber(seen) < now - window - SECOND
end
if pause > now + LONGEST_PAUSE then pause, probe = 0, '' end
if hold > now + 10 * SECOND + 2 * window then hold, lost = 0, true end
if lost then hold = math.max(hold, now + ask.horizon + window) end

-- The answers, in one order for all. A long pause ends with one probe, whose answer opens the route.
for _, answer in ipairs(ask.answers) do
  local id, facts = answer[1], answer[2]
  local at = redis.call('ZSCORE', given, id)
  if at then
    -- Those whose second had not ended when it left, but for those that left later.
    local own = redis.call('ZCOUNT', log, '(' .. whole(at - kept.span), '+inf') - redis.call('ZCOUNT', given, '(' .. at, '+inf')
    redis.call('RPUSH', answers, '[' .. table.concat({whole(now), whole(at), math.max(1, own), facts}, ',') .. ']')
    told = told + 1
  end
  if id == probe then probe = '' end
end
redis.call('LTRIM', answers, -KEPT_ANSWERS, -1)
if ask.pause > 0 then
  pause = math.max(pause, now + math.min(ask.pause, LONGEST_PAUSE))
  if ask.pause >= PROBE_FROM then probe = 'next' end
end
local opens = math.max(hold, pause)
if probe ~= '' and probe ~= 'next' and kept.probe_until < now + 10 * SECOND then opens = math.max(opens, kept.probe_until) end

-- Whoever has not come half a second after its time is gone; nobody has to come in a pause.
if now > opens + SECOND / 2 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', back, '-inf', whole(now - SECOND / 2))) do
    redis.call('ZREM', queue, id)
    redis.call('ZREM', back, id)
  end
end
local before_it = redis.call('ZRANK', queue, ask.process) or redis.call('ZCARD', queue)

local permits = {}
local slot = now

if ask.resync > 0 then
  -- The caller limited itself while we were away, and others may still do so. Give them time to come back, unless permits were
  -- handed out within this window: then only the caller was away.
  if hold <= now and not (newest and newest > now - window) then hold = now + ask.resync + window end
  slot = math.max(now, hold)
else
  while #permits < ask.want do
    local id = ask.process .. whole(ask.first + #permits)
    local again = redis.call('ZSCORE', log, id)
    if again then -- the caller asks a second time, not having heard the first answer
      permits[#permits + 1] = tonumber(again)
    else
      local due = math.max(now, opens)
      local last = score(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES'))
      local freed = score(redis.call('ZRANGE', log, -count, -count, 'WITHSCORES'))
      even = last and math.max(math.min(even, last + gap), due - 2 * gap) or due
      if last then due = math.max(due, last + 0.9 * gap, even) end
      if freed and freed + window > due then -- full: nothing to catch up with
        due = freed + window
        even = due
      end
      due = math.ceil(due)
      if #permits == 0 then slot = due end
      -- Those who came before the caller have the next permits.
      if #permits == 0 and due + before_it * gap > now + ask.horizon then break end
      if due > now + ask.horizon or due > (permits[1] or due) + ask.together then break end
      redis.call('ZADD', log, whole(due), id)
      redis.call('ZADD', given, whole(due), id)
      permits[#permits + 1] = due
      even = even + gap
      if probe == 'next' then
        probe, kept.probe_until = id, due + PROBE_WAIT
        break
      end
    end
  end
end

-- Those who must wait are told when to come, in the order in which they asked first.
local come = slot
if #permits > 0 then
  redis.call('ZREM', queue, ask.process)
  redis.call('ZREM', back, ask.process)
elseif ask.want > 0 and ask.resync == 0 then
  come = slot + before_it * gap
  redis.call('ZADD', queue, 'NX', whole(now), ask.process)
  redis.call('ZADD', back, whole(come), ask.process)
end

redis.call('HSET', state, 'size', kept.size, 'span', whole(kept.span), 'gap', kept.gap, 'heard', kept.heard,
  'decided', whole(kept.decided), 'told', told,
  'pause', whole(pause), 'hold', whole(hold), 'even', whole(even), 'probe', probe,
  'probe_until', whole(kept.probe_until))
for _, key in ipairs({state, answers}) do redis.call('PEXPIRE', key, 3600000) end
for _, key in ipairs({log, given}) do redis.call('PEXPIRE', key, whole((window + KEPT) / 1000 + 3000)) end
for _, key in ipairs({queue, back}) do redis.call('PEXPIRE', key, whole((come - now) / 1000 + 3000)) end

local news = {}
if ask.known < told then news = redis.call('LRANGE', answers, -math.min(KEPT_ANSWERS, told - math.min(ask.known, told)), -1) end
return {now, told, math.floor(window), slot, math.ceil(come), pause, permits, news}
