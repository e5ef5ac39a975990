package extauthz_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/extauthz/wire"
	"github.com/gateward/gateward/methods"
)

// described takes a service's description.
type described struct{ *grpc.ServiceDesc }

func (d *described) RegisterService(desc *grpc.ServiceDesc, _ any) { d.ServiceDesc = desc }

// TestSEC_K07_CheckThatArrivesAfterAReload: a reload replaces the engine while a
// check is on its way, and a revocation follows, of which the replaced one hears
// nothing any more. It must not answer from its cache.
func TestSEC_K07_CheckThatArrivesAfterAReload(t *testing.T) {
	t.Parallel()
	o, store := options(t), newFakeSessions()
	build := func() *extauthz.Engine {
		e, err := extauthz.New(sessionDefaults(), []methods.Authenticator{store}, o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := build()
	service := extauthz.NewService(first, o)
	service.Hearing(true)
	check := req("GET app.test/", sessionCookie)
	if got := (engine{first, nil}).check(t, check); status(got) != 200 {
		t.Fatalf("before: got %d", status(got))
	}
	message, err := proto.Marshal(check)
	if err != nil {
		t.Fatal(err)
	}
	var d described
	service.Register(&d)
	answer, err := d.Methods[0].Handler(service, t.Context(), func(into any) error {
		service.Swap(build())
		store.delete("s.grace")
		service.Revoked(revocation("s.grace"))
		return wire.NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, into)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got authv3.CheckResponse
	encoded, ok := answer.(wire.Encoded)
	if !ok {
		t.Fatalf("answer: %T", answer)
	}
	if err := proto.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if status(&got) != 401 {
		t.Errorf("after: got %d, want 401", status(&got))
	}
}

// TestSEC_G07_NobodyJoinsBeyondTheEnd: a check that joins a reading of the store
// begun before the session's end, and arrives after it, is refused.
func TestSEC_G07_NobodyJoinsBeyondTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeSessions()
		e, err := extauthz.New(sessionDefaults(), []methods.Authenticator{store}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		e.Hearing(true)
		id := grace()
		id.Expiry = time.Now().Add(time.Second)
		store.create("s.grace", id)
		store.reading = func() { time.Sleep(4 * time.Second) }
		var first int
		var wg sync.WaitGroup
		wg.Go(func() { first = status(engine{e, nil}.check(t, req("GET app.test/", sessionCookie))) })
		time.Sleep(3 * time.Second)
		if got := status(engine{e, nil}.check(t, req("GET app.test/", sessionCookie))); got != 401 && got != 503 {
			t.Errorf("after the end: got %d", got)
		}
		wg.Wait()
		if first != 401 && first != 503 {
			t.Errorf("that waited beyond the end: got %d", first)
		}
	})
}
