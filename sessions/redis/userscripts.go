package redis

// The keys of users are all in one slot of a cluster, so that one script changes
// what belongs together. They have no time to live. A user is a hash with the
// fields
//
//	v  the user, sealed      r  revision
//
// Whose an identity is, is a field of one hash; who has an address, a sorted set
// by creation. All users are in another such set, and those who are disabled in a
// third; what is to be denied of these is in a hash by id. No record has to be
// opened to deny its user; but who reads a record compares it with these two, since
// it may be an old one that somebody has put back.
const (
	// Keys: user identities all disabled denied, addresses that the user no longer
	// has, and those that it has. Arguments: v, v before or "", id revision created,
	// keys to deny or "", how many of the addresses are the first; each with their
	// number before them: identities that the user no longer has, those that it has;
	// channel; with their number, messages. The answer is 0 if the user is not as
	// before, or an identity is another's.
	//
	// Redis takes nothing back of a script that fails on the way: a key is of another
	// type, a command is not allowed. So each command that changes something is tried
	// on each key before the first change, with a member that is nobody's; keys that
	// have been read by then are of their type. What is published comes before, too,
	// which none hears until the script is over. ZADD is tried first, since Redis asks
	// whether there is room only before the first write.
	putUserScript = `
local at = 7
local function list()
  at = at + 1
  local some, n = {}, num(ARGV[at])
  for j = 1, n do some[j] = ARGV[at + j] end
  at = at + n
  return some
end
local gone, here = list(), list()
at = at + 1
local channel = ARGV[at]
local messages = list()
local v, id, created = redis.call('HGET', KEYS[1], 'v') or '', ARGV[3], ARGV[5]
local before = v ~= ARGV[1]
if before then
  if v ~= ARGV[2] then return 0 end
  for _, i in ipairs(here) do
    local owner = redis.call('HGET', KEYS[2], i)
    if owner and owner ~= id then return 0 end
  end
  for j = 3, #KEYS do
    if j ~= 5 then
      redis.call('ZADD', KEYS[j], 'XX', created, 'nobody')
      redis.call('ZREM', KEYS[j], 'nobody')
    end
  end
  redis.call('HDEL', KEYS[5], 'nobody')
  redis.call('HSET', KEYS[5], 'nobody', '')
  redis.call('HDEL', KEYS[5], 'nobody')
end
for _, m in ipairs(messages) do redis.call('PUBLISH', channel, m) end
if before then
  if ARGV[6] ~= '' then
    redis.call('HSET', KEYS[5], id, ARGV[6])
    redis.call('ZADD', KEYS[4], created, id)
  end
  for _, i in ipairs(gone) do
    if redis.call('HGET', KEYS[2], i) == id then redis.call('HDEL', KEYS[2], i) end
  end
  for _, i in ipairs(here) do redis.call('HSET', KEYS[2], i, id) end
  for j = 6, #KEYS do
    if j < 6 + num(ARGV[7]) then redis.call('ZREM', KEYS[j], id) else redis.call('ZADD', KEYS[j], created, id) end
  end
  redis.call('ZADD', KEYS[3], created, id)
  redis.call('HSET', KEYS[1], 'v', ARGV[1], 'r', ARGV[4])
  if ARGV[6] == '' then
    redis.call('ZREM', KEYS[4], id)
    redis.call('HDEL', KEYS[5], id)
  end
end
return 1`

	// Keys: denied disabled, users. Arguments: their ids. The answer has for each v, r,
	// what is denied, and the place among those who are disabled; nothing for what is
	// of another type.
	readUsersScript = `
local all = {}
for j, id in ipairs(ARGV) do
  local f = redis.pcall('HMGET', KEYS[2 + j], 'v', 'r')
  if f.err then
    if not string.find(f.err, 'WRONGTYPE', 1, true) then return f end
    all[j] = {}
  else
    all[j] = {f[1], f[2], redis.call('HGET', KEYS[1], id), redis.call('ZSCORE', KEYS[2], id)}
  end
end
return all`

	// Arguments as those of indexAfter, which it answers, and what is to be denied of
	// these users.
	deniedScript = afterFunction + `
local found, keys = after(KEYS[1], ARGV[1], ARGV[2], num(ARGV[3])), {}
for j = 1, #found, 2 do keys[#keys + 1] = redis.call('HGET', KEYS[2], found[j]) or '' end
return {found, keys}`
)
