"""The script that moves an account's counters in Redis: one step for all processes, on the server's clock."""

# KEYS: the account's hash, the bucket's log of call times, our calls by the hour (hours since 1970). ARGV: bucket,
# limit, window and probe interval (microseconds), cost, shares (everyone's, ours), lane, then what this process last
# heard of the day: used, limit, end (0: unknown), our calls, when it heard of those; and how long (microseconds) a
# bucket without a mark counts as full: it was never used, or was lost with Redis.
# Returns {0}: taken; {1, microseconds}: wait; {2, instant}: the day is spent until then (microseconds since 1970); and
# after the second our calls and the time.
ENTER = """
local account, log, ours, bucket, lane = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[8]
local limit, window, probe, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local HOUR, DAY = 3600000000, 86400000000
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function text(number) return string.format('%.0f', number) end
local function get(name) return tonumber(redis.call('HGET', account, name) or '0') end

if redis.call('HEXISTS', account, 'used') == 0 then
  redis.call('HSET', account, 'used', ARGV[9], 'limit', ARGV[10], 'end', ARGV[11], 'told', text(now))
end
local day, used, ending, told = get('limit'), get('used'), get('end'), get('told')
if (ending > 0 and now >= ending) or (ending == 0 and now - told >= DAY) then
  if ending > 0 then ending = ending + DAY * math.ceil((now - ending + 1) / DAY) end
  used, told = 0, now
  redis.call('HSET', account, 'used', 0, 'end', text(ending), 'told', text(now))
end

local first = math.floor(((ending > 0 and ending or now) - DAY) / HOUR)
if tonumber(ARGV[12]) > 0 and redis.call('EXISTS', ours) == 0 then
  redis.call('HSET', ours, text(math.floor(tonumber(ARGV[13]) / HOUR)), ARGV[12])
end
local own, hours, made = 0, {}, redis.call('HGETALL', ours)
for i = 1, #made, 2 do
  local hour = tonumber(made[i])
  if hour < first then
    redis.call('HDEL', ours, made[i])
  else
    own = own + made[i + 1]
    table.insert(hours, {hour, tonumber(made[i + 1])})
  end
end

local spent = day > 0 and used + cost > math.floor(day * tonumber(ARGV[6]))
local excess = day > 0 and own + cost - math.floor(day * tonumber(ARGV[7])) or 0
local probing = spent and excess <= 0 and ending == 0 and now - told >= probe
if (spent or excess > 0) and not probing then
  local till = ending > 0 and ending or now + probe
  if ending == 0 and spent then till = math.max(now, told + probe) end
  if ending == 0 and excess > 0 then
    table.sort(hours, function(a, b) return a[1] < b[1] end)
    for _, hour in ipairs(hours) do
      if excess > 0 then till = math.max(spent and till or 0, (hour[1] + 25) * HOUR) end
      excess = excess - hour[2]
    end
  end
  redis.call('HSET', account, 'until:' .. lane, text(till))
  return {2, till, own, now}
end

local narrowed = get('limit:' .. bucket)
if narrowed > 0 and narrowed < limit then limit = narrowed end
limit = math.max(1, math.floor(limit * tonumber(ARGV[14])))
local born = get('born:' .. bucket)
if born == 0 then
  redis.call('HSET', account, 'born:' .. bucket, text(now))
  born = now
end
local lost = tonumber(ARGV[15])
if now < born + lost then return {1, born + lost - now, own, now} end
while true do
  local oldest = redis.call('LINDEX', log, 0)
  if not oldest or tonumber(oldest) > now - window then break end
  redis.call('LPOP', log)
end
local over = redis.call('LLEN', log) + math.min(cost, limit) - limit
if over > 0 then
  return {1, tonumber(redis.call('LINDEX', log, over - 1)) + window - now, own, now}
end
for _ = 1, cost do redis.call('RPUSH', log, text(now)) end
redis.call('PEXPIRE', log, math.ceil(window / 1000))
if day > 0 then redis.call('HINCRBY', account, 'used', cost) end
redis.call('HINCRBY', ours, text(math.floor(now / HOUR)), cost)
redis.call('EXPIRE', ours, 180000)
redis.call('HDEL', account, 'until:' .. lane)
if probing then redis.call('HSET', account, 'told', text(now)) end
return {0, 0, own + cost, now}
"""
