-- Hands out the turns of one route, on the server's clock, to every process of an organisation. Atomic, as every script is.
--
-- KEYS: 1 the route's state (hash), 2 its log (sorted set: permit id -> the microsecond at which it is sent),
-- 3 the processes that wait for a turn (sorted set: process -> the microsecond at which it first asked),
-- 4 the same processes (sorted set: process -> the microsecond for which it was told to come).
-- The rule: never more than `count` permits within any `window`. So the next turn comes a window after the count-th newest
-- entry; and turns are spaced evenly, so that servers that count in buckets accept them too. A schedule that has fallen behind
-- catches up, by a tenth of the spacing and two turns at most.
-- Only turns within `horizon` are handed out: whoever dies holding one loses no more than that.

local state, log, queue, back = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local base, want, horizon, span = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ids, first_id, witness = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local regroup, jitter, pausing = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local advertised, refused = tonumber(ARGV[11]), tonumber(ARGV[12])
local moved, next_argument = tonumber(ARGV[13]), 14

local SECOND, LONGEST_PAUSE = 1000000, 60000000
local LEAST_MARGIN, MOST_MARGIN = 10000, 60000

local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]

local function whole(number) return string.format('%.0f', number) end -- tostring() would round microseconds since 1970
local function score(reply) return tonumber(reply[2]) end -- of ZRANGE ... WITHSCORES with one entry, or nil

local fields = redis.call('HMGET', state, 'limit', 'before', 'raised', 'margin', 'pause', 'hold', 'unit',
  'refused', 'even')
local limit, before, raised = tonumber(fields[1]) or base, tonumber(fields[2]) or base, tonumber(fields[3]) or 0
local margin, pause = tonumber(fields[4]) or 0, tonumber(fields[5]) or 0
local hold, old_unit = tonumber(fields[6]) or 0, tonumber(fields[7])
local refused_at, even = tonumber(fields[8]) or 0, tonumber(fields[9]) or 0

-- What the answers taught. A raise is tried by doubling, once a second; a refusal soon after takes half of it back.
if refused > 0 and math.abs(now - refused_at) > SECOND then -- once for all that were on their way together
  margin, refused_at = math.min(MOST_MARGIN, margin + 5000), now
  if now - raised < 2 * SECOND and before < limit then
    limit = math.max(before, math.floor((before + limit) / 2))
    raised = now + 9 * SECOND
  end
end
if raised > now + 10 * SECOND then raised = 0 end -- written by a clock that has since been set back
if advertised > 0 and advertised < limit then
  limit, before = advertised, advertised
elseif advertised > limit and now - raised >= SECOND then
  before, limit, raised = limit, math.min(advertised, 2 * limit), now
end

-- Above 200 a second an entry stands for several permits that go together, so that the log stays short.
local unit = math.max(1, math.ceil(limit / 200))
local count = math.max(1, math.floor(limit / unit))
local window = math.max(1, 1 / limit) * SECOND + math.min(MOST_MARGIN, math.max(LEAST_MARGIN, margin + jitter))
local gap = window / count
if old_unit and old_unit > unit then hold = math.max(hold, now + window) end

-- Permits that went late, and permits that nobody will use.
for _ = 1, moved do
  redis.call('ZADD', log, 'XX', 'INCR', ARGV[next_argument + 1], ARGV[next_argument])
  next_argument = next_argument + 2
end
for index = next_argument, #ARGV do redis.call('ZREM', log, ARGV[index]) end
redis.call('ZREMRANGEBYSCORE', log, '-inf', whole(now - window - 2 * SECOND))

-- A log that cannot be: entries further ahead than turns are ever handed out (the clock was set back), or without the permit
-- that the caller used within this window (flushed, evicted, restarted, set forward). Then nobody knows who sent what: hold.
local newest = score(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES'))
local lost = false
if newest and newest > now + math.max(horizon, SECOND) + SECOND then
  redis.call('DEL', log)
  newest, lost = nil, true
end
if witness ~= '' and not lost then
  local seen = redis.call('ZSCORE', log, witness)
  lost = not seen or tonumber(seen) < now - window - SECOND
end
if pause > now + LONGEST_PAUSE then pause = 0 end
if hold > now + 10 * SECOND + 2 * window then hold, lost = 0, true end
if lost then hold = math.max(hold, now + horizon + window) end
if pausing > 0 then pause = math.max(pause, now + math.min(pausing, LONGEST_PAUSE)) end

local opens = math.max(hold, pause)

-- Whoever has not come half a second after its time is gone; nobody has to come in a pause.
if now > opens + SECOND / 2 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', back, '-inf', whole(now - SECOND / 2))) do
    redis.call('ZREM', queue, id)
    redis.call('ZREM', back, id)
  end
end
local before_it = redis.call('ZRANK', queue, ids) or redis.call('ZCARD', queue)

local reply = {} -- the turns
local slot = now

if regroup > 0 then
  -- The caller limited itself while we were away, and others may still do so. Give them time to come back, unless turns were
  -- handed out within this window: then only the caller was away.
  if hold <= now and not (newest and newest > now - window) then hold = now + regroup + window end
  slot, want = math.max(now, hold), 0
elseif want > 0 then
  local number = first_id
  while #reply < want do
    local again = redis.call('ZSCORE', log, ids .. whole(number))
    if again then -- the caller asks a second time, not having heard the first answer
      reply[#reply + 1] = tonumber(again)
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
      if #reply == 0 then slot = due end
      -- Those who came before the caller have the next turns.
      if #reply == 0 and due + before_it * gap > now + horizon then break end
      if due > now + horizon or due > (reply[1] or due) + span then break end
      redis.call('ZADD', log, whole(due), ids .. whole(number))
      reply[#reply + 1] = due
      even = even + gap
    end
    number = number + 1
  end
  margin = math.max(0, margin - 2.5 * #reply)
end

-- Those who must wait are told when to come, in the order in which they asked first.
local come = slot
if #reply > 0 then
  redis.call('ZREM', queue, ids)
  redis.call('ZREM', back, ids)
elseif want > 0 then
  come = slot + before_it * gap
  redis.call('ZADD', queue, 'NX', whole(now), ids)
  redis.call('ZADD', back, whole(come), ids)
  redis.call('PEXPIRE', queue, whole((come - now) / 1000 + 3000))
  redis.call('PEXPIRE', back, whole((come - now) / 1000 + 3000))
end

redis.call('HSET', state, 'raised', whole(raised), 'margin', whole(margin), 'pause', whole(pause), 'hold', whole(hold),
  'unit', unit, 'refused', whole(refused_at),
  'even', whole(even))
if limit == base then -- nothing learnt: so that a change of configuration takes effect at once
  redis.call('HDEL', state, 'limit', 'before')
else
  redis.call('HSET', state, 'limit', limit, 'before', before)
end
redis.call('PEXPIRE', state, 3600000)
redis.call('PEXPIRE', log, whole(window / 1000 + 3000))

return {now, math.max(1, math.floor(limit * SECOND + 0.001)), math.floor(window), unit, slot, math.ceil(come), pause, unpack(reply)}
