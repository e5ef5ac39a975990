package envoytest

import (
	"context"
	"net"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// Authz is an authorization server that answers what a test says: for tests of
// Envoy's configuration, and of this package, without gateward.
type Authz struct {
	authv3.UnimplementedAuthorizationServer

	// Address is where it listens.
	Address string
	// Health is its gRPC health service, which says SERVING to begin with.
	Health *health.Server

	check  func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error)
	server *grpc.Server
}

// StartAuthz starts an authorization server that answers with check, which is
// called from many goroutines. Options may add TLS.
func StartAuthz(
	tb testing.TB,
	check func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error),
	options ...grpc.ServerOption,
) *Authz {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &Authz{Address: l.Addr().String(), Health: health.NewServer(), check: check, server: grpc.NewServer(options...)}
	a.Health.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	authv3.RegisterAuthorizationServer(a.server, a)
	healthv1.RegisterHealthServer(a.server, a.Health)
	ended := make(chan struct{})
	go func() {
		_ = a.server.Serve(l)
		close(ended)
	}()
	tb.Cleanup(func() {
		a.server.Stop()
		<-ended
	})
	return a
}

// Stop closes the listener and every connection at once.
func (a *Authz) Stop() { a.server.Stop() }

// Check implements [authv3.AuthorizationServer].
func (a *Authz) Check(ctx context.Context, req *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return a.check(ctx, req)
}
