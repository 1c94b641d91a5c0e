-- One exchange of one machine. What it does fleet.Pool.Exchange says; a test holds both to each other.
local P, L, D, G, M, H = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local machine, ticket, text = ARGV[1], ARGV[3], ARGV[11]
local demand, age, way, cooling, loose = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local version, rate, top, news = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[12] == '1'
local lease, grace, slop, mostcool, slack, longest, forgets = 10000, 1000, 250, 600000, 0.1, 60000, 3600000
local min, max, call = math.min, math.max, redis.call
local function int(n) return string.format('%.0f', n) end
local function float(n) return string.format('%.17g', n) end

local t = call('TIME')
local now = math.floor(t[1] * 1000 + t[2] / 1000)
local s = call('HMGET', P, 'version', 'rate', 'top', 'text', 'level', 'at', 'cool', 'sent', 'demand')
local p = {version = tonumber(s[1]) or 0, rate = tonumber(s[2]) or 0, top = tonumber(s[3]) or 0, text = s[4] or '', level = tonumber(s[5]) or 0,
	at = tonumber(s[6]) or 0, cool = tonumber(s[7]) or 0, sent = tonumber(s[8]) or 0, demand = tonumber(s[9]) or 0}

-- sweep
for _, range in ipairs({{'-inf', int(now)}, {'(' .. int(now + longest), '+inf'}}) do
	for _, name in ipairs(call('ZRANGEBYSCORE', D, range[1], range[2])) do
		call('ZREM', D, name)
		call('ZREM', L, name)
	end
	for _, name in ipairs(call('ZRANGEBYSCORE', M, range[1], range[2])) do
		p.demand = p.demand - tonumber(string.match(call('HGET', H, name) or '0 0', '^%S+'))
		call('ZREM', M, name)
		call('HDEL', H, name)
	end
end
call('ZREMRANGEBYSCORE', G, '-inf', int(now - lease))
call('ZREMRANGEBYSCORE', G, '(' .. int(now), '+inf')
if p.cool > now + mostcool then p.cool = 0 end

-- refill
local function most() return max(1, p.top, p.rate * slack) end
if p.at > 0 and now > p.at and p.rate > 0 then
	p.level = max(p.level, min(most(), p.level + p.rate * (now - p.at) / 1000))
end
p.at = now

-- hear
local had = call('HGET', H, machine)
local before, told = string.match(had or '0 0', '^(%S+) (%S+)$')
p.demand = p.demand + demand - tonumber(before)
if had then
	local n = max(-10, min(1000, loose - tonumber(told)))
	p.sent = p.sent + n
	p.level = max(min(-1, p.level), p.level - n)
end
call('ZADD', M, int(now + lease), machine)
call('HSET', H, machine, int(demand) .. ' ' .. float(loose))

-- believe
if rate > 0 then
	if p.version == 0 then
		p.version, p.rate, p.top, p.text, p.level = max(1, version), rate, top, text, 1
	elseif news and (version == p.version or rate < p.rate) then
		p.version, p.rate, p.top, p.text = p.version + 1, rate, top, text
	end
end

-- cool
local ends = now + min(mostcool, cooling)
if cooling > 0 and ends > max(now, p.cool) + slop then
	p.cool = ends
	if p.rate > 0 then p.level = min(p.level, 1 - p.rate * (ends - now) / 1000) end
end

-- stand
local granted, wait, ahead = 0, lease / 2, 0
if ticket ~= '' then
	if call('ZSCORE', G, ticket) then
		granted, wait = 1, 0
	elseif p.rate > 0 then
		if not call('ZSCORE', L, ticket) then call('ZADD', L, int(now - age), ticket) end
		ahead = call('ZRANK', L, ticket)
		local lack = ahead + 1 - p.level
		if lack <= 1e-6 and p.cool <= now then
			call('ZREM', L, ticket)
			call('ZREM', D, ticket)
			call('ZADD', G, int(now), ticket)
			if p.level >= most() - 1e-6 then p.level = p.level - p.rate * way / 1000 end
			p.level, p.sent = p.level - 1, p.sent + 1
			granted, wait = 1, 0
		else
			wait = min(wait, max(1, p.cool - now, math.ceil(lack / p.rate * 1000)))
			call('ZADD', D, int(now + wait + grace), ticket)
		end
	end
end

call('HSET', P, 'version', int(p.version), 'rate', float(p.rate), 'top', float(p.top), 'text', p.text, 'level', float(p.level), 'at', int(p.at),
	'cool', int(p.cool), 'sent', float(p.sent), 'demand', int(p.demand))
for _, key in ipairs(KEYS) do call('PEXPIRE', key, forgets) end
return {int(granted), int(wait), int(ahead), int(call('ZCARD', L)), int(call('ZCARD', M)), int(p.demand), int(max(0, p.cool - now)), float(p.sent),
	int(p.version), float(p.rate), float(p.top), p.text, int(now)}
