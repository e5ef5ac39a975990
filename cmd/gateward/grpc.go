package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gateward/gateward/extauthz"
)

// A grpcEndpoint answers checks and health checks on one listener. There is
// neither reflection nor channelz on it.
type grpcEndpoint struct {
	listener net.Listener
	server   *grpc.Server
	health   *health.Server
	clients  *clients // those with TLS
	// endWatches ends streams of health watchers, which would hold up a
	// graceful stop for ever.
	endWatches context.CancelFunc
}

// newGRPCEndpoint serves service on l, with TLS unless tlsConfig is nil.
func newGRPCEndpoint(ctx context.Context, l net.Listener, tlsConfig *tls.Config, service *extauthz.Service, logger *slog.Logger) *grpcEndpoint {
	opts := extauthz.ServerOptions()
	known := &clients{}
	if tlsConfig != nil {
		opts = append(opts, grpc.Creds(handshakes{credentials.NewTLS(tlsConfig), known, logger}))
	}
	watches, end := context.WithCancel(ctx)
	e := &grpcEndpoint{listener: l, server: grpc.NewServer(opts...), health: health.NewServer(), clients: known, endWatches: end}
	service.Register(e.server)
	healthpb.RegisterHealthServer(e.server, boundedWatches{e.health, watches})
	e.health.SetServingStatus(service.Name(), healthpb.HealthCheckResponse_SERVING)
	return e
}

// serve answers until the endpoint is stopped.
func (e *grpcEndpoint) serve() error {
	if err := e.server.Serve(e.listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// stop sends GOAWAY and waits for the checks in flight, until ctx ends. It
// reports whether all of them were answered.
func (e *grpcEndpoint) stop(ctx context.Context) bool {
	e.endWatches()
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.server.GracefulStop()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		e.server.Stop()
		<-done
		return false
	}
}

// boundedWatches is a health service whose Watch streams end with a context.
type boundedWatches struct {
	*health.Server
	until context.Context //nolint:containedctx // the life of the server, not of a call
}

// Watch implements grpc.health.v1.Health.
func (b boundedWatches) Watch(in *healthpb.HealthCheckRequest, s healthpb.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	defer context.AfterFunc(b.until, cancel)()
	return b.Server.Watch(in, boundedStream{s, ctx})
}

type boundedStream struct {
	healthpb.Health_WatchServer
	ctx context.Context //nolint:containedctx // gRPC hands a stream's context out by a method
}

// Context implements [grpc.ServerStream].
func (s boundedStream) Context() context.Context { return s.ctx }

// handshakes keeps book of the clients, and logs why a handshake failed, which
// gRPC keeps to itself: a wrong client certificate should not be a riddle.
type handshakes struct {
	credentials.TransportCredentials
	clients *clients
	logger  *slog.Logger
}

// ServerHandshake implements [credentials.TransportCredentials].
func (h handshakes) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	peer := c.RemoteAddr().String()
	conn, info, err := h.TransportCredentials.ServerHandshake(c)
	if err != nil {
		if !errors.Is(err, io.EOF) { // EOF is a load balancer that only knocks
			h.logger.LogAttrs(context.Background(), slog.LevelInfo, "tls handshake refused",
				slog.String("peer", peer), slog.Any("err", err))
		}
		return conn, info, err
	}
	if t, ok := info.(credentials.TLSInfo); ok {
		conn = h.clients.add(conn, t.State)
	}
	return conn, info, nil
}

// Clone implements [credentials.TransportCredentials].
func (h handshakes) Clone() credentials.TransportCredentials {
	return handshakes{h.TransportCredentials.Clone(), h.clients, h.logger}
}
