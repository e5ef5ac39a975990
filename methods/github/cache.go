package github

import (
	"container/list"
	"crypto/sha256"
	"net/http"
	"sync"

	"github.com/gateward/gateward"
)

const (
	// maxAnswers and maxAnswerBytes bound what is remembered of GitHub's answers.
	maxAnswers     = 10_000
	maxAnswerBytes = 32 << 20
	// answerOverhead is roughly what an answer needs beside its body, in bytes.
	answerOverhead = 1 << 10
)

// digest is a SHA-256: tokens are not kept as keys.
type digest [sha256.Size]byte

func answerKey(token gateward.Secret, address string) digest {
	return sha256.Sum256([]byte(token.Reveal() + "\n" + address))
}

// An answer is a successful one. It is immutable.
type answer struct {
	header http.Header // those of keptHeaders
	body   []byte
}

// keptHeaders returns what is read of an answer's headers later on.
func keptHeaders(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Etag", "Link", "X-Oauth-Scopes", "X-Github-Sso"} {
		if v := h.Values(name); len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

// answers remembers the answers used last, by token and address, for requests that
// are answered with 304 (RFC 9110 §13.1.2): GitHub does not count these.
type answers struct {
	mu    sync.Mutex
	byKey map[digest]*list.Element
	order *list.List // of *remembered, the one used last in front
	bytes int
}

type remembered struct {
	key    digest
	answer *answer
}

func (r *remembered) size() int { return len(r.answer.body) + answerOverhead }

func newAnswers() *answers { return &answers{byKey: map[digest]*list.Element{}, order: list.New()} }

func (a *answers) get(key digest) *answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byKey[key]
	if e == nil {
		return nil
	}
	a.order.MoveToFront(e)
	return rememberedIn(e).answer
}

// put remembers an answer that can be asked about again.
func (a *answers) put(key digest, v *answer) {
	if v.header.Get("Etag") == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.byKey[key]; e != nil {
		a.drop(e)
	}
	r := &remembered{key, v}
	a.byKey[key] = a.order.PushFront(r)
	a.bytes += r.size()
	for a.order.Len() > maxAnswers || a.bytes > maxAnswerBytes {
		a.drop(a.order.Back())
	}
}

// drop forgets an answer. mu is held.
func (a *answers) drop(e *list.Element) {
	r := rememberedIn(e)
	a.order.Remove(e)
	delete(a.byKey, r.key)
	a.bytes -= r.size()
}

func rememberedIn(e *list.Element) *remembered {
	return e.Value.(*remembered) //nolint:errcheck,forcetypeassert // nothing else is ever put there
}
