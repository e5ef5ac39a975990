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
// Only v is authentic. Whoever can write to Redis can, with the others, end a
// session sooner, take back what Expire did, and put off the idle end, but never
// go beyond the sealed absolute end. What ends a session relies on none of them.
//
// A deleted session leaves a hash without v for a while, so that a creation that
// is sent again does not bring it back: d, which deletion it was. Without v there
// is no session. Those of users are described where they are.
type scripts struct {
	create, touch, replace, expire, remove *script
	indexAdd, indexAfter, indexSettle      *script
	note                                   *script
	take, renew, release, key              *script
	mark                                   *script
	publish                                *script
	putUser, readUsers, denied             *script
}

func newScripts() *scripts {
	return &scripts{
		create: newScript(createScript), touch: newScript(touchScript), replace: newScript(replaceScript),
		expire: newScript(expireScript), remove: newScript(removeScript),
		indexAdd: newScript(indexAddScript), indexAfter: newScript(indexAfterScript),
		indexSettle: newScript(indexSettleScript), note: newScript(noteScript),
		take: newScript(takeScript), renew: newScript(renewScript), release: newScript(releaseScript),
		key: newScript(keyScript), mark: newScript(markScript), publish: newScript(publishScript),
		putUser: newScript(putUserScript), readUsers: newScript(readUsersScript), denied: newScript(deniedScript),
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
local f = redis.call('HMGET', KEYS[1], 'v', 'd')
if f[1] == ARGV[1] then return 1 end
if f[1] or f[2] then return 0 end
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

	// Arguments: now grace revision v n x newRevision channel message. The answer is
	// 0 if the session is gone, -1 if it was replaced, -2 if it is over.
	replaceScript = `
local f = redis.call('HMGET', KEYS[1], 'v', 'x', 'i', 's', 'r')
if not f[1] then return 0 end
if f[1] ~= ARGV[4] then
  local now, x, i, s = num(ARGV[1]), num(f[2]), num(f[3]), num(f[4])
  if now >= deadline(x, i, s) then return -2 end
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

	// Arguments: now grace at nonce channel message, and x i s as they are sealed, ""
	// each if they cannot be read: then the session counts as live.
	expireScript = `
local f = redis.call('HMGET', KEYS[1], 'v', 'x', 'i', 's', 'n', 'o')
if not f[1] then return false end
if f[6] ~= ARGV[4] then
  local now, x, i, s = num(ARGV[1]), num(f[2]), num(f[3]), num(f[4])
  if ARGV[7] ~= '' then
    x, i, s = math.min(x, num(ARGV[7])), num(ARGV[8]), math.max(s, num(ARGV[9]))
    if now >= deadline(x, i, s) then return false end
  end
  redis.call('HSET', KEYS[1], 'o', ARGV[4])
  if num(ARGV[3]) < x then
    x = num(ARGV[3])
    redis.call('HSET', KEYS[1], 'x', ARGV[3], 'u', ARGV[1])
    keep(KEYS[1], deadline(x, i, s), now, num(ARGV[2]))
  end
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {f[5] or '', redis.call('HGET', KEYS[1], 'x') or ''}`

	// Arguments: nonce ttl channel message, "" for none. Whatever is there goes,
	// also if it is of another type, which pcall answers with an error.
	removeScript = `
local n = 0
if redis.pcall('HGET', KEYS[1], 'v') then
  n = 1
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'd', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif redis.call('HGET', KEYS[1], 'd') == ARGV[1] then
  n = 1
end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return n`

	// Arguments: created id due ttl now limit. The answer are members that are due.
	indexAddScript = `
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
keepIndex(KEYS[1], num(ARGV[4]))
keepIndex(KEYS[2], num(ARGV[4]))
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[5], 'LIMIT', 0, ARGV[6])`

	// afterFunction: at most n members of a sorted set after (created, id), and when
	// they were created; less than n if there are no more. What nobody here has
	// written, an id or a time of another form, is passed over.
	afterFunction = `
local function after(key, created, id, n)
  local lo = 0
  if id ~= '' then
    lo = redis.call('ZCOUNT', key, '-inf', '(' .. created)
    local hi = redis.call('ZCOUNT', key, '-inf', created)
    while lo < hi do
      local mid = math.floor((lo + hi) / 2)
      if redis.call('ZRANGE', key, mid, mid)[1] <= id then lo = mid + 1 else hi = mid end
    end
  end
  local hex4 = string.rep('[0-9a-f]', 4)
  local form = '^' .. hex4 .. hex4 .. string.rep('%-' .. hex4, 4) .. hex4 .. hex4 .. '$'
  local found = {}
  while #found < 2 * n do
    local some = redis.call('ZRANGE', key, lo, lo + n - 1, 'WITHSCORES')
    for j = 1, #some, 2 do
      local at = tonumber(some[j + 1])
      if #found < 2 * n and string.find(some[j], form) and at and at % 1 == 0 and math.abs(at) <= 2^53 then
        found[#found + 1] = some[j]
        found[#found + 1] = some[j + 1]
      end
    end
    if #some < 2 * n then break end
    lo = lo + n
  end
  return found
end
`
	// Arguments: created id limit. The answer is what afterFunction finds.
	indexAfterScript = afterFunction + `return after(KEYS[1], ARGV[1], ARGV[2], num(ARGV[3]))`

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
