package envoy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/gateward/gateward/envoy"
	"github.com/gateward/gateward/envoy/envoytest"
)

// counted answers like check and counts the questions.
func counted(n *atomic.Int64, check checkFunc) checkFunc {
	return func(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		n.Add(1)
		return check(ctx, r)
	}
}

func replicas(addresses ...string) func(*envoy.Config) {
	return func(c *envoy.Config) { c.GRPCAddresses = addresses }
}

// TestFailedCheckIsAskedAgain: what one replica cannot answer, the other does.
func TestFailedCheckIsAskedAgain(t *testing.T) {
	t.Parallel()
	var bad, good atomic.Int64
	a := envoytest.StartAuthz(t, counted(&bad, func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		return nil, status.Error(codes.Unavailable, "going away")
	}))
	b := envoytest.StartAuthz(t, counted(&good, allow(&authv3.OkHttpResponse{})))
	e := startEdge(t, nil, replicas(a.Address, b.Address))
	for range 50 {
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != 200 {
			t.Fatalf("got %d after %d and %d checks", resp.Status, bad.Load(), good.Load())
		}
	}
	if bad.Load() == 0 || good.Load() != 50 {
		t.Errorf("replicas were asked %d and %d times, want some and 50", bad.Load(), good.Load())
	}
}

// TestKilledReplicaFailsNoRequest ends one of two replicas, connections and
// all, while requests are under way.
func TestKilledReplicaFailsNoRequest(t *testing.T) {
	t.Parallel()
	var first atomic.Int64
	a := envoytest.StartAuthz(t, counted(&first, allow(&authv3.OkHttpResponse{})))
	b := envoytest.StartAuthz(t, allow(&authv3.OkHttpResponse{}))
	e := startEdge(t, nil, replicas(a.Address, b.Address))

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent atomic.Int64
	failures := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := envoytest.SendRaw(context.WithoutCancel(ctx), e.Address, envoytest.Message("GET", "/"))
				if err == nil && resp.Status != 200 {
					err = fmt.Errorf("got %d", resp.Status)
				}
				if err != nil {
					failures <- err
					return
				}
				sent.Add(1)
			}
		})
	}
	reach := func(what string, n *atomic.Int64, want int64) {
		envoytest.Eventually(t, what, time.Minute, func(context.Context) error {
			if len(failures) > 0 || n.Load() >= want {
				return nil
			}
			return fmt.Errorf("%d of %d", n.Load(), want)
		})
	}
	reach("checks at the first replica", &first, 50)
	a.Stop()
	reach("requests after its end", &sent, sent.Load()+300)
	cancel()
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}

// TestSEC_L09_DrainingReplicaIsLeft: a replica that says NOT_SERVING, and still
// answers, gets no new checks; the last one does, healthy or not.
func TestSEC_L09_DrainingReplicaIsLeft(t *testing.T) {
	t.Parallel()
	var first, second atomic.Int64
	a := envoytest.StartAuthz(t, counted(&first, allow(&authv3.OkHttpResponse{})))
	b := envoytest.StartAuthz(t, counted(&second, allow(&authv3.OkHttpResponse{})))
	e := startEdge(t, nil, replicas(a.Address, b.Address))
	request := func() {
		t.Helper()
		if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != 200 {
			t.Fatalf("got %d", resp.Status)
		}
	}
	healthy := func(want uint64) {
		t.Helper()
		e.WaitStat(t, "cluster.gateward.membership_healthy", want)
	}
	service := authv3.Authorization_ServiceDesc.ServiceName
	healthy(2)
	a.Health.SetServingStatus(service, healthv1.HealthCheckResponse_NOT_SERVING)
	healthy(1)
	before := first.Load()
	for range 30 {
		request()
	}
	if n := first.Load() - before; n != 0 || second.Load() < 30 {
		t.Errorf("the draining replica got %d checks, the other %d", n, second.Load())
	}
	b.Health.SetServingStatus(service, healthv1.HealthCheckResponse_NOT_SERVING)
	healthy(0)
	request()
	a.Health.SetServingStatus(service, healthv1.HealthCheckResponse_SERVING)
	healthy(1)
	request()
}

func TestSEC_Q01_TLSToGateward(t *testing.T) {
	t.Parallel()
	certs := newCertificates(t)
	server := func(minVersion uint16, auth tls.ClientAuthType) grpc.ServerOption {
		return grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{certs.server}, MinVersion: minVersion, ClientAuth: auth, ClientCAs: certs.pool,
		}))
	}
	for name, tt := range map[string]struct {
		server grpc.ServerOption
		client envoy.TLS
		want   int
	}{
		"TLS 1.2":          {server(tls.VersionTLS12, tls.NoClientCert), envoy.TLS{CAFile: certs.ca}, 200},
		"TLS 1.3 only":     {server(tls.VersionTLS13, tls.NoClientCert), envoy.TLS{CAFile: certs.ca}, 200},
		"by name":          {server(tls.VersionTLS13, tls.NoClientCert), envoy.TLS{CAFile: certs.ca, ServerName: "gateward.example.test"}, 200},
		"another name":     {server(tls.VersionTLS12, tls.NoClientCert), envoy.TLS{CAFile: certs.ca, ServerName: "other.example.test"}, 503},
		"another CA":       {server(tls.VersionTLS12, tls.NoClientCert), envoy.TLS{CAFile: certs.otherCA}, 503},
		"mTLS":             {server(tls.VersionTLS13, tls.RequireAndVerifyClientCert), envoy.TLS{CAFile: certs.ca, CertFile: certs.client, KeyFile: certs.clientKey}, 200},
		"mTLS without one": {server(tls.VersionTLS12, tls.RequireAndVerifyClientCert), envoy.TLS{CAFile: certs.ca}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := envoytest.StartAuthz(t, allow(&authv3.OkHttpResponse{}), tt.server)
			e := startEdge(t, nil, replicas(a.Address), func(c *envoy.Config) { c.GRPCTLS = &tt.client })
			if resp := envoytest.RawRequest(t, e.Address, envoytest.Message("GET", "/")); resp.Status != tt.want {
				t.Errorf("got %d, want %d", resp.Status, tt.want)
			}
		})
	}
}

// TestAdminIsReadOnly: neither shutdown nor secrets, whoever reaches the port.
func TestAdminIsReadOnly(t *testing.T) {
	t.Parallel()
	e := startEdge(t, allow(&authv3.OkHttpResponse{}))
	for path, want := range map[string]int{
		"/ready": 200, "/stats/prometheus": 200, "/quitquitquit": 403, "/config_dump": 403, "/cpuprofiler": 403, "/": 403,
	} {
		for _, method := range []string{"GET", "POST"} {
			resp := envoytest.RawRequest(t, e.Admin, envoytest.Message(method, path, "Content-Length: 0"))
			if resp.Status != want && (want == 403 || method == "GET") {
				t.Errorf("%s %s: got %d, want %d", method, path, resp.Status, want)
			}
		}
	}
	select {
	case <-e.Done():
		t.Fatal(errors.New("Envoy has ended"))
	default:
	}
}
