package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// The buckets of the file. Those of the indexes have keys alone.
const (
	inSessions  = "sessions"      // id → record
	inCreated   = "created"       // time created, id
	inPrincipal = "principals"    // hash, time created, id
	inSID       = "sids"          // hash, time created, id
	inSessionOf = "session_users" // hash of user id, time created, id
	inDeadline  = "deadlines"     // time, id: by the record, it is over then
	inMethods   = "methods"       // method → number of sessions
	inUsed      = "used"          // hash of name → until when
	inMarks     = "marks"         // hash of name → when it happened, until when
	inKeys      = "keys"          // name → secret

	// Those of users (user.go).
	inUsers        = "users"           // id → record
	inUserOrder    = "user_order"      // number → id
	inUserIdentity = "user_identities" // hash of principal → id
	inUserEmail    = "user_emails"     // hash of address, number → id
	inUserDisabled = "user_disabled"   // number → id, keys
)

func buckets() []string {
	return []string{
		inSessions, inCreated, inPrincipal, inSID, inSessionOf, inDeadline, inMethods, inUsed, inMarks, inKeys,
		inUsers, inUserOrder, inUserIdentity, inUserEmail, inUserDisabled,
	}
}

// bucket returns one of the buckets, all of which Open has made.
func bucket(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

// An id is the bytes of a session's or a user's id.
type id [16]byte

// parseID returns the bytes of an id in the form of [sessions.IDOf], a UUID in
// lower case.
func parseID(text string) (id, bool) {
	var b id
	if len(text) != 36 {
		return b, false
	}
	plain := slices.Concat([]byte(text[:8]), []byte(text[9:13]), []byte(text[14:18]), []byte(text[19:23]), []byte(text[24:]))
	if _, err := hex.Decode(b[:], plain); err != nil {
		return b, false
	}
	return b, b.text() == text
}

func (b id) text() string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// A hash stands for a principal, an SID, a user's id or an address in the file.
type hash [16]byte

func hashOf(parts ...string) hash {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return hash(h.Sum(nil))
}

func hashPrincipal(p gateward.Principal) hash { return hashOf("principal", p.Issuer, p.Subject) }

// hashSID is the zero hash for none.
func hashSID(sid string) hash {
	if sid == "" {
		return hash{}
	}
	return hashOf("sid", sid)
}

// hashUser is the zero hash for none.
func hashUser(userID string) hash {
	if userID == "" {
		return hash{}
	}
	return hashOf("user", userID)
}

// facts are what is known of a session without opening it: enough to find and
// to remove it, whatever has become of the key. Nobody can change them and have
// the session open. Times are in microseconds since the epoch.
type facts struct {
	key                          sessions.Key
	created, expires, seen, idle int64
	principal, sid, user         hash
	method, provider             string
}

func factsOf(s *sessions.Session) facts {
	return facts{
		key: s.Key, created: s.CreatedAt.UnixMicro(), expires: s.ExpiresAt.UnixMicro(), seen: s.LastSeenAt.UnixMicro(),
		idle: s.IdleTimeout.Microseconds(), principal: hashPrincipal(s.Identity.Principal), sid: hashSID(s.Tokens.SID),
		user: hashUser(s.Identity.UserID), method: s.Identity.Method, provider: s.Identity.Provider,
	}
}

func (f *facts) deadline() int64 {
	if f.idle > 0 {
		return min(f.expires, f.seen+f.idle)
	}
	return f.expires
}

func (f *facts) live(now time.Time) bool { return now.UnixMicro() < f.deadline() }

// kept reports whether the session is live or has not been over for longer than
// grace.
func (f *facts) kept(now time.Time, grace time.Duration) bool { return f.live(now.Add(-grace)) }

// recordVersion begins every record of a session without a user, and
// recordVersionUser one with a user, whose hash follows that of the SID. After it
// come the facts, their length before, and what is sealed.
const (
	recordVersion     = 1
	recordVersionUser = 2
)

const fixedFacts = len(sessions.Key{}) + 4*8 + 2*len(hash{})

func (f *facts) bytes() []byte {
	var b []byte
	size := fixedFacts + len(f.method) + 1 + len(f.provider)
	if f.user == (hash{}) {
		b = binary.AppendUvarint([]byte{recordVersion}, uint64(size))
	} else {
		b = binary.AppendUvarint([]byte{recordVersionUser}, uint64(size+len(f.user)))
	}
	b = append(b, f.key[:]...)
	for _, n := range []int64{f.created, f.expires, f.seen, f.idle} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // read back the same way
	}
	b = append(append(b, f.principal[:]...), f.sid[:]...)
	if f.user != (hash{}) {
		b = append(b, f.user[:]...)
	}
	return append(append(append(b, f.method...), 0), f.provider...)
}

// parseRecord returns the facts, their bytes, and what is sealed.
func parseRecord(b []byte) (f facts, head, sealed []byte, err error) {
	if len(b) == 0 || b[0] != recordVersion && b[0] != recordVersionUser {
		return f, nil, nil, sessions.ErrTampered
	}
	ofUser, fixed := b[0] == recordVersionUser, fixedFacts
	if ofUser {
		fixed += len(f.user)
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size < uint64(fixed) || size > uint64(len(b)-1-n) { //nolint:gosec // n is at most len(b)-1
		return f, nil, nil, sessions.ErrTampered
	}
	head, sealed = b[:1+n+int(size)], b[1+n+int(size):] //nolint:gosec // it is at most len(b)
	rest := head[1+n:]
	rest = rest[copy(f.key[:], rest):]
	for _, v := range []*int64{&f.created, &f.expires, &f.seen, &f.idle} {
		*v = int64(binary.BigEndian.Uint64(rest)) //nolint:gosec // as written
		rest = rest[8:]
	}
	rest = rest[copy(f.principal[:], rest):]
	rest = rest[copy(f.sid[:], rest):]
	if ofUser {
		rest = rest[copy(f.user[:], rest):]
	}
	method, provider, ok := bytes.Cut(rest, []byte{0})
	if !ok || ofUser && f.user == (hash{}) {
		return f, nil, nil, sessions.ErrTampered
	}
	f.method, f.provider = string(method), string(provider)
	return f, head, sealed, nil
}

// seal returns the record of a session.
func (s *Store) seal(ctx context.Context, b id, one *sessions.Session) (facts, []byte, error) {
	f := factsOf(one)
	plain, err := sessions.Encode(nil, one)
	if err != nil {
		return f, nil, err
	}
	head := f.bytes()
	record, err := s.sealer.Seal(ctx, slices.Clone(head), plain, append(b[:], head...))
	return f, record, err
}

// open returns the session of a record, with the latest touch.
func (s *Store) open(ctx context.Context, b id, record []byte) (sessions.Session, error) {
	_, head, sealed, err := parseRecord(record)
	if err != nil {
		return sessions.Session{}, err
	}
	plain, err := s.sealer.Open(ctx, sealed, append(b[:], head...))
	if err != nil {
		return sessions.Session{}, err
	}
	one, err := sessions.Decode(plain)
	if err != nil {
		return one, err
	}
	if at := s.lastTouch(b); at > one.LastSeenAt.UnixMicro() {
		one.LastSeenAt = time.UnixMicro(at).UTC()
	}
	return one, nil
}

// facts returns those of a record, with the latest touch.
func (s *Store) facts(b id, record []byte) (facts, error) {
	f, _, _, err := parseRecord(record)
	f.seen = max(f.seen, s.lastTouch(b))
	return f, err
}

// ordered is a time as bytes that sort as times do, and the id.
func ordered(prefix []byte, at int64, b id) []byte {
	k := slices.Clone(prefix)
	k = binary.BigEndian.AppendUint64(k, uint64(at)^1<<63) //nolint:gosec // the sign bit is turned, so that earlier is smaller
	return append(k, b[:]...)
}

// put writes a record with everything that leads to it.
func put(tx *bbolt.Tx, b id, f *facts, record []byte) error {
	if err := bucket(tx, inSessions).Put(b[:], record); err != nil {
		return err
	}
	for _, k := range f.indexKeys(b) {
		if err := bucket(tx, k.bucket).Put(k.key, nil); err != nil {
			return err
		}
	}
	return count(tx, f.method, 1)
}

// remove drops a record with everything that leads to it. f are the facts that
// the record states, without a later touch: keys were made of them.
func remove(tx *bbolt.Tx, b id, f *facts) error {
	if err := bucket(tx, inSessions).Delete(b[:]); err != nil {
		return err
	}
	for _, k := range f.indexKeys(b) {
		if err := bucket(tx, k.bucket).Delete(k.key); err != nil {
			return err
		}
	}
	return count(tx, f.method, -1)
}

type indexKey struct {
	bucket string
	key    []byte
}

func (f *facts) indexKeys(b id) []indexKey {
	keys := []indexKey{
		{inCreated, ordered(nil, f.created, b)}, {inPrincipal, ordered(f.principal[:], f.created, b)}, {inDeadline, ordered(nil, f.deadline(), b)},
	}
	if f.sid != (hash{}) {
		keys = append(keys, indexKey{inSID, ordered(f.sid[:], f.created, b)})
	}
	if f.user != (hash{}) {
		keys = append(keys, indexKey{inSessionOf, ordered(f.user[:], f.created, b)})
	}
	return keys
}

// count adds to the number of a method's sessions.
func count(tx *bbolt.Tx, method string, add int64) error {
	k := append([]byte("m"), method...) // a key must not be empty
	n := add
	if v := bucket(tx, inMethods).Get(k); len(v) == 8 {
		n += int64(binary.BigEndian.Uint64(v)) //nolint:gosec // as written
	}
	if n <= 0 {
		return bucket(tx, inMethods).Delete(k)
	}
	return bucket(tx, inMethods).Put(k, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// revocation is what is published when a session has changed or gone.
func (f *facts) revocation(b id) sessions.Revocation {
	if sessions.IDOf(f.key) != b.text() {
		return sessions.Revocation{All: true} // somebody has changed the file: whose it was cannot be told
	}
	return sessions.Revocation{Keys: []sessions.Key{f.key}}
}
