package extauthz

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz/wire"
)

// serviceName is the gRPC service that Envoy calls, also the name under which
// its health is asked for.
const serviceName = "envoy.service.auth.v3.Authorization"

// A Service answers Envoy's checks over gRPC with an [Engine] that can be
// exchanged. Safe for concurrent use.
type Service struct {
	engine atomic.Pointer[Engine]
	raws   sync.Pool // of *wire.Raw

	mu      sync.Mutex // held while engine or hearing changes
	hearing bool       // see [sessions.Listener]
}

// NewService returns a service that asks e. It is called once for the
// [telemetry.Metrics] in o, which it tells how many entries the cache has.
func NewService(e *Engine, o Options) *Service {
	s := &Service{}
	s.raws.New = func() any { return &wire.Raw{} }
	s.engine.Store(e)
	o.Metrics.CacheEntries(func() float64 { return float64(s.engine.Load().cache.entries()) })
	return s
}

// Swap replaces the engine. Checks that have begun are finished by the old
// one, whose cache goes with it: nothing that was verified under the old
// configuration is believed under the new. A nil engine is not taken.
//
// A revocation is told to the engine that is in force then: one that comes into
// force later begins to read after it.
func (s *Service) Swap(e *Engine) {
	if e == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Hearing(s.hearing)
	s.engine.Store(e)
}

// Identify is [Engine.Identify] by the engine in force.
func (s *Service) Identify(ctx context.Context, authorization, cookies [][]byte) (gateward.Identity, gateward.Scheme, error) {
	return s.engine.Load().Identify(ctx, authorization, cookies)
}

// Name is the full name of the gRPC service.
func (*Service) Name() string { return serviceName }

// Register adds the service to r, a server made with [ServerOptions].
func (s *Service) Register(r grpc.ServiceRegistrar) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: s.handle}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}, s)
}

// handle answers a call. It returns no error, whatever happens: Envoy takes a
// failed call for an outage, which failure_mode_allow lets pass.
func (s *Service) handle(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (answer any, err error) { //nolint:revive // grpc.MethodDesc wants this order
	raw, _ := s.raws.Get().(*wire.Raw)
	defer func() {
		if v := recover(); v != nil {
			e := s.engine.Load()
			e.panicked(ctx, v, debug.Stack())
			answer, err = e.afterPanic(), nil
		}
		raw.Free()
		s.raws.Put(raw)
	}()
	if err := decode(raw); err != nil {
		raw.Err = receiveError(ctx, err)
	}
	// The engine in force once the check is here: one that is replaced while a
	// message is on its way hears of no more revocations.
	return s.engine.Load().Decide(ctx, &raw.View, raw.Err), nil
}

// receiveError translates why a check request did not arrive.
func receiveError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("extauthz: receive check request: %w", ctx.Err())
	}
	// Too large, or compressed in a way that we do not know. gRPC has failed
	// the call already; the answer is for the log.
	return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
}

// Limits and habits of the gRPC server.
const (
	// maxMessage is above what Envoy's header limits can be set to, and below
	// what would hurt: a check has no body unless Envoy is told to send one.
	maxMessage = 8 << 20
	// maxStreams is per connection. Envoy has one per worker and at most some
	// hundred checks in flight on it.
	maxStreams = 4096
	// maxHeaderList bounds the metadata of the call itself.
	maxHeaderList = 64 << 10
	// streamWorkers keep their stacks, which saves growing one per check;
	// above that number in flight, goroutines are made as usual.
	streamWorkers = 64
	// window avoids flow-control updates in the middle of a request.
	window = 1 << 20
	// Envoy may ping every 10 s also when idle; less would close connections.
	minPing = 5 * time.Second
	// connectionAge spreads connections over replicas that came later.
	connectionAge   = 30 * time.Minute
	connectionGrace = time.Minute
)

// ServerOptions are the options for the gRPC server behind which a [Service]
// is registered. Health checking and other services work on it as well.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.NewCodec()),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaderList),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: connectionGrace,
			Time: time.Minute, Timeout: 20 * time.Second,
		}),
	}
}
