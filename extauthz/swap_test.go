package extauthz_test

import (
	"testing"

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
