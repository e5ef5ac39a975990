package memory

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/gateward/gateward/sessions"
)

// dictionary is what many records have in common. The packed form of a record
// refers to it, so that a change of it is of no consequence: records do not
// outlive the process. What comes last is cheapest to refer to.
const dictionary = `Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1` +
	`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0` +
	`Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36` +
	`Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0` +
	`Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36` +
	`192.168.10.0.0.1.gmail.com.apps.googleusercontent.comhttps://login.microsoftonline.com/https://lh3.googleusercontent.com/a/` +
	`\"acr\":\"1\",\"amr\":[\"pwd\",\"mfa\"],\"tid\":\"\",\"oid\":\"\",\"hd\":\"\",\"upn\":\"\",\"jti\":\"\",\"typ\":\"ID\",\"zoneinfo\":\"Europe/` +
	`\"roles\":[\"admin\",\"user\"],\"locale\":\"en\",\"updated_at\":17\"session_state\":\"\",\"phone_number_verified\":false,` +
	`"ta":"eyJhbGciOiJSUzI1NiIsImtpZCI6I","tr":"","ti":"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIs","te":17,"sid":"` +
	`{"k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","iss":"https://accounts.google.com","sub":"1","m":"oidc","p":"google","e":"@example.com","ev":true,"n":"` +
	`","g":["admins","staff","developers","engineering"],"s":["openid","email","profile"],"as":true,"md":{"io.flipt.auth.claims":"{` +
	`\"at_hash\":\"\",\"aud\":\"\",\"auth_time\":17\",\"azp\":\"\",\"email\":\"\",\"email_verified\":true,\"exp\":17\",\"family_name\":\"\",` +
	`\"given_name\":\"\",\"groups\":[\"\",\"\"],\"iat\":17\",\"iss\":\"https://\",\"name\":\"\",\"nonce\":\"\",\"picture\":\"https://\",\"preferred_username\":\"\",\"sid\":\"\",\"sub\":\"\"}",` +
	`"io.flipt.auth.email":"","io.flipt.auth.name":"","io.flipt.auth.picture":"https://","io.flipt.auth.oidc.provider":"google","io.flipt.auth.oidc.sub":"",` +
	`"io.flipt.auth.oidc.email":"","io.flipt.auth.oidc.email_verified":"true","io.flipt.auth.oidc.name":"","io.flipt.auth.oidc.profile":"","io.flipt.auth.oidc.picture":"https://"},` +
	`"at":17,"tc":0,"tu":0,"ts":0,"tx":0,"ua":"Mozilla/5.0 (","a":"1"}`

// A packer makes the small form of what an entry does not say about a session.
// There is one compressor, because it is far larger than what it compresses, and
// logins are rare.
type packer struct {
	mu  sync.Mutex
	raw []byte
	out bytes.Buffer
	w   *flate.Writer
}

func (p *packer) pack(s *sessions.Session) (string, error) {
	bare := *s
	bare.Key, bare.Revision, bare.IdleTimeout = sessions.Key{}, 0, 0
	bare.CreatedAt, bare.UpdatedAt, bare.LastSeenAt, bare.ExpiresAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.raw, err = sessions.Encode(p.raw[:0], &bare); err != nil {
		return "", fmt.Errorf("memory: pack session: %w", err)
	}
	p.out.Reset()
	if p.w == nil {
		if p.w, err = flate.NewWriterDict(&p.out, flate.DefaultCompression, []byte(dictionary)); err != nil {
			return "", fmt.Errorf("memory: pack session: %w", err)
		}
	} else {
		p.w.Reset(&p.out)
	}
	if _, err = p.w.Write(p.raw); err == nil {
		err = p.w.Close()
	}
	clear(p.raw) // it may have been the last place that knew the provider's tokens
	if err != nil {
		return "", fmt.Errorf("memory: pack session: %w", err)
	}
	return p.out.String(), nil
}

// readers decompress; each is large enough to be used again.
var readers = sync.Pool{New: func() any { return &reader{from: flate.NewReaderDict(strings.NewReader(""), []byte(dictionary))} }} //nolint:gochecknoglobals // a pool of what has no state

type reader struct {
	from io.ReadCloser
	raw  bytes.Buffer
}

// session returns the session of a copy of an entry.
func (e *entry) session() (sessions.Session, error) {
	r, ok := readers.Get().(*reader)
	if !ok {
		return sessions.Session{}, sessions.ErrTampered
	}
	defer readers.Put(r)
	if err := r.from.(flate.Resetter).Reset(strings.NewReader(e.text), []byte(dictionary)); err != nil { //nolint:errcheck // flate documents it
		return sessions.Session{}, fmt.Errorf("memory: unpack session: %w", err)
	}
	r.raw.Reset()
	if _, err := r.raw.ReadFrom(r.from); err != nil {
		return sessions.Session{}, fmt.Errorf("memory: unpack session: %w", err)
	}
	s, err := sessions.Decode(r.raw.Bytes())
	clear(r.raw.Bytes())
	if err != nil {
		return sessions.Session{}, err
	}
	s.Key, s.ID, s.Revision = e.key, sessions.IDOf(e.key), e.revision
	s.CreatedAt, s.UpdatedAt, s.LastSeenAt, s.ExpiresAt = date(e.created), date(e.updated), date(e.seen), date(e.expires)
	s.IdleTimeout = time.Duration(e.idle) * time.Microsecond
	return s, nil
}

func date(us int64) time.Time { return time.UnixMicro(us).UTC() }
