package redis

import (
	goredis "github.com/redis/go-redis/v9"
)

// A script is sent by its hash, and as a whole where the server does not know
// it.
//
// An answer can be lost, and the client then sends a command again. So every
// script here does, when it is run twice with the same arguments, what it did
// the first time, and answers the same.
type script struct{ text, hash string }

func newScript(text string) *script {
	text = prelude + text
	return &script{text: text, hash: goredis.NewScript(text).Hash()}
}

// scripts are those of a Store. Times are microseconds since the epoch by the
// caller's clock, durations milliseconds. A record is a hash with the fields
//
//	v  the session, sealed      k  its key          n  the names of its indexes
//	r  revision                 x  absolute end     u  when Expire changed x
//	i  idle timeout             s  last seen        o  which Expire was the last
//
// Of these v alone is believed when the session is read; the others can only end
// it sooner.
type scripts struct {
	create, touch, replace, expire, remove *script
	indexAdd, indexAfter, indexSettle      *script
	note                                   *script
	take, renew, release, key              *script
	mark                                   *script
	publish                                *script
}

func newScripts() *scripts {
	return &scripts{
		create: newScript(createScript), touch: newScript(touchScript), replace: newScript(replaceScript),
		expire: newScript(expireScript), remove: newScript(removeScript),
		indexAdd: newScript(indexAddScript), indexAfter: newScript(indexAfterScript),
		indexSettle: newScript(indexSettleScript), note: newScript(noteScript),
		take: newScript(takeScript), renew: newScript(renewScript), release: newScript(releaseScript),
		key: newScript(keyScript), mark: newScript(markScript), publish: newScript(publishScript),
	}
}

const (
	// prelude: when a session ends, and how long its record is kept from now on. A
	// second is the least, so that what is sent again finds what it did.
	prelude = `
local function deadline(x, i, s)
  if i > 0 and s + i < x then return s + i end
  return x
end
local function num(v) return tonumber(v) or 0 end
local function keep(key, e, now, grace)
  redis.call('PEXPIRE', key, string.format('%.0f', math.max(math.ceil((e - now) / 1000) + grace, 1000)))
end
local function keepIndex(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, string.format('%.0f', ttl)) end
end
`
	// Arguments: v k n x i s ttl.
	createScript = `
local v = redis.call('HGET', KEYS[1], 'v')
if v then
  if v == ARGV[1] then return 1 end
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'k', ARGV[2], 'n', ARGV[3], 'r', '1', 'x', ARGV[4], 'i', ARGV[5], 's', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1`

	// Arguments: now seen grace.
	touchScript = `
local f = redis.call('HMGET', KEYS[1], 'v', 'x', 'i', 's')
local now, x, i, s, seen = num(ARGV[1]), num(f[2]), num(f[3]), num(f[4]), num(ARGV[2])
if not f[1] or now >= deadline(x, i, s) or seen <= s then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[2])
keep(KEYS[1], deadline(x, i, seen), now, num(ARGV[3]))
return 1`

	// Arguments: now grace revision v n x newRevision channel message.
	replaceScript = `
local f = redis.call('HMGET', KEYS[1], 'v', 'x', 'i', 's', 'r')
if not f[1] then return 0 end
if f[1] ~= ARGV[4] then
  local now, x, i, s = num(ARGV[1]), num(f[2]), num(f[3]), num(f[4])
  if now >= deadline(x, i, s) then return 0 end
  if f[5] ~= ARGV[3] then return -1 end
  redis.call('HSET', KEYS[1], 'v', ARGV[4], 'n', ARGV[5], 'r', ARGV[7])
  if num(ARGV[6]) < x then
    x = num(ARGV[6])
    redis.call('HSET', KEYS[1], 'x', ARGV[6])
  end
  keep(KEYS[1], deadline(x, i, s), now, num(ARGV[2]))
end
redis.call('PUBLISH', ARGV[8], ARGV[9])
return 1`

	// Arguments: now grace at nonce channel head.
	expireScript = `
local f = redis.call('HMGET', KEYS[1], 'v', 'x', 'i', 's', 'k', 'n', 'o')
if not f[1] or not f[5] then return false end
if f[7] ~= ARGV[4] then
  local now, x, i, s = num(ARGV[1]), num(f[2]), num(f[3]), num(f[4])
  if now >= deadline(x, i, s) then return false end
  redis.call('HSET', KEYS[1], 'o', ARGV[4])
  if num(ARGV[3]) < x then
    x = num(ARGV[3])
    redis.call('HSET', KEYS[1], 'x', ARGV[3], 'u', ARGV[1])
    keep(KEYS[1], deadline(x, i, s), now, num(ARGV[2]))
  end
end
redis.call('PUBLISH', ARGV[5], ARGV[6] .. f[5])
return {f[5], f[6] or '', redis.call('HGET', KEYS[1], 'x')}`

	// Arguments: channel message.
	removeScript = `
local n = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return n`

	// Arguments: created id due ttl now limit. The answer are members that are due.
	indexAddScript = `
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
keepIndex(KEYS[1], num(ARGV[4]))
keepIndex(KEYS[2], num(ARGV[4]))
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[5], 'LIMIT', 0, ARGV[6])`

	// Arguments: created id limit. The answer are members after (created, id), and
	// when they were created.
	indexAfterScript = `
local lo = 0
if ARGV[2] ~= '' then
  lo = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
  local hi = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
  while lo < hi do
    local mid = math.floor((lo + hi) / 2)
    if redis.call('ZRANGE', KEYS[1], mid, mid)[1] <= ARGV[2] then lo = mid + 1 else hi = mid end
  end
end
return redis.call('ZRANGE', KEYS[1], lo, lo + num(ARGV[3]) - 1, 'WITHSCORES')`

	// Arguments: pairs of id and when it is due again, "" for never: it is gone.
	indexSettleScript = `
for j = 1, #ARGV, 2 do
  if ARGV[j + 1] == '' then
    redis.call('ZREM', KEYS[1], ARGV[j])
    redis.call('ZREM', KEYS[2], ARGV[j])
  elseif redis.call('ZSCORE', KEYS[2], ARGV[j]) then
    redis.call('ZADD', KEYS[2], ARGV[j + 1], ARGV[j])
  end
end
return #ARGV / 2`

	// Arguments: member until ttl now.
	noteScript = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
if num(redis.call('ZSCORE', KEYS[1], ARGV[1])) < num(ARGV[2]) then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
if redis.call('EXISTS', KEYS[1]) == 1 then keepIndex(KEYS[1], num(ARGV[3])) end
return 1`

	// Arguments: nonce ttl.
	takeScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`

	// Arguments: nonce ttl.
	renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

	// Arguments: nonce.
	releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`

	// Arguments: at ttl.
	markScript = `
local v = redis.call('GET', KEYS[1])
if not v or num(v) < num(ARGV[1]) then v = ARGV[1] end
redis.call('SET', KEYS[1], v, 'PX', string.format('%.0f', math.max(num(ARGV[2]), redis.call('PTTL', KEYS[1]))))
return 1`

	// Arguments: channel message. The key only decides where it is published.
	publishScript = `return redis.call('PUBLISH', ARGV[1], ARGV[2])`

	// Arguments: value ttl.
	keyScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return ARGV[1] end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])`
)
