package redis_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions/redis"
	"github.com/gateward/gateward/sessions/redis/redistest"
)

func TestNew_ConfigErrors(t *testing.T) {
	t.Parallel()
	certificates := redistest.NewCertificates(t)
	noPEM := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(noPEM, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := []string{"127.0.0.1:6379"}
	tests := map[string]struct {
		config redis.Config
		want   []string // keys
	}{
		"fine":                     {redis.Config{Addresses: one}, nil},
		"fine cluster":             {redis.Config{Mode: "cluster", Addresses: []string{"a:1", "[::1]:2"}}, nil},
		"fine sentinel":            {redis.Config{Mode: "sentinel", MasterName: "m", Addresses: one, DB: 3}, nil},
		"fine TLS":                 {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CACertPath: certificates.CA, CertPath: certificates.ClientCert, KeyPath: certificates.ClientKey}}, nil},
		"nothing":                  {redis.Config{}, []string{"addresses"}},
		"unknown mode":             {redis.Config{Mode: "Cluster", Addresses: one}, []string{"mode"}},
		"several addresses":        {redis.Config{Addresses: []string{"a:1", "b:1"}}, []string{"addresses"}},
		"no port":                  {redis.Config{Addresses: []string{"localhost"}}, []string{"addresses[0]"}},
		"no master name":           {redis.Config{Mode: "sentinel", Addresses: one}, []string{"master_name"}},
		"master name for nothing":  {redis.Config{MasterName: "m", Addresses: one}, []string{"master_name"}},
		"database of a cluster":    {redis.Config{Mode: "cluster", DB: 1, Addresses: one}, []string{"db"}},
		"braces in the prefix":     {redis.Config{Prefix: "a{b}", Addresses: one}, []string{"prefix"}},
		"long prefix":              {redis.Config{Prefix: strings.Repeat("a", 65), Addresses: one}, []string{"prefix"}},
		"negative":                 {redis.Config{Addresses: one, DB: -1, PoolSize: -1, MinIdleConns: -1, ConnMaxIdleTime: -1, NetTimeout: -1}, []string{"conn_max_idle_time", "db", "min_idle_conn", "net_timeout", "pool_size"}},
		"nanoseconds":              {redis.Config{Addresses: one, NetTimeout: 300}, []string{"net_timeout"}},
		"TLS settings without TLS": {redis.Config{Addresses: one, TLS: redis.TLS{CACertPath: "x", InsecureSkipTLS: true}}, []string{"ca_cert_path", "insecure_skip_tls"}},
		"both authorities":         {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CACertPath: certificates.CA, CACertBytes: "x"}}, []string{"ca_cert_bytes"}},
		"no authorities in bytes":  {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CACertBytes: "x"}}, []string{"ca_cert_bytes"}},
		"no authorities in file":   {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CACertPath: noPEM}}, []string{"ca_cert_path"}},
		"no file":                  {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CACertPath: noPEM + "x"}}, []string{"ca_cert_path"}},
		"certificate without key":  {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CertPath: certificates.ClientCert}}, []string{"key_path"}},
		"key without certificate":  {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, KeyPath: certificates.ClientKey}}, []string{"cert_path"}},
		"another's key":            {redis.Config{Addresses: one, TLS: redis.TLS{RequireTLS: true, CertPath: certificates.ClientCert, KeyPath: certificates.ServerKey}}, []string{"cert_path"}},
		"several at once":          {redis.Config{Mode: "x", Prefix: "{", MasterName: "m"}, []string{"addresses", "master_name", "mode", "prefix"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := redis.New(test.config, redis.Options{Now: time.Now})
			if err == nil {
				s.Close()
			}
			got := configKeys(t, err)
			if !slices.Equal(got, test.want) {
				t.Errorf("got problems with %v, want %v: %v", got, test.want, err)
			}
		})
	}
}

func configKeys(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not joined: %v", err)
	}
	var keys []string
	for _, e := range joined.Unwrap() {
		var c *gateward.ConfigError
		if !errors.As(e, &c) || c.Remedy == "" {
			t.Fatalf("not a ConfigError with a remedy: %v", e)
		}
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	return keys
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificates, others := redistest.NewCertificates(t), redistest.NewCertificates(t)
	server := redistest.Start(t, redistest.Options{TLS: certificates, Username: "gw", Password: "secret", Rules: redis.ACLRules("gateward")})
	ca, err := os.ReadFile(certificates.CA)
	if err != nil {
		t.Fatal(err)
	}
	full := redis.TLS{RequireTLS: true, CACertPath: certificates.CA, CertPath: certificates.ClientCert, KeyPath: certificates.ClientKey}
	tests := map[string]struct {
		edit func(c *redis.Config)
		ok   bool
	}{
		"file":                 {func(*redis.Config) {}, true},
		"bytes":                {func(c *redis.Config) { c.TLS.CACertPath, c.TLS.CACertBytes = "", string(ca) }, true},
		"unverified":           {func(c *redis.Config) { c.TLS.CACertPath, c.TLS.InsecureSkipTLS = "", true }, true},
		"other authority":      {func(c *redis.Config) { c.TLS.CACertPath = others.CA }, false},
		"system's authorities": {func(c *redis.Config) { c.TLS.CACertPath = "" }, false},
		"no certificate":       {func(c *redis.Config) { c.TLS.CertPath, c.TLS.KeyPath = "", "" }, false},
		"others' certificate":  {func(c *redis.Config) { c.TLS.CertPath, c.TLS.KeyPath = others.ClientCert, others.ClientKey }, false},
		"no TLS":               {func(c *redis.Config) { c.TLS = redis.TLS{} }, false},
		"wrong password":       {func(c *redis.Config) { c.Password = gateward.NewSecret("other") }, false},
		"other user":           {func(c *redis.Config) { c.Username = "default" }, false},
		"other prefix":         {func(c *redis.Config) { c.Prefix = "other" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := redis.Config{
				Addresses: []string{server.Addr}, Username: "gw", Password: gateward.NewSecret("secret"), TLS: full, NetTimeout: netTimeout,
			}
			test.edit(&c)
			s := open(t, c, redis.Options{})
			err := s.Ping(t.Context())
			if test.ok != (err == nil) || err != nil && !errors.Is(err, gateward.ErrUnavailable) {
				t.Fatalf("ping: got error %v, want none: %v", err, test.ok)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
			if test.ok { // the user may do all that is needed
				e := listen(s)
				exercise(t, s)
				e.wait(t, "hearing", func() bool { return e.hearing })
			}
		})
	}
}

// TestTLS_RenewedCertificate: the files are read again for new connections.
func TestTLS_RenewedCertificate(t *testing.T) {
	t.Parallel()
	certificates, others := redistest.NewCertificates(t), redistest.NewCertificates(t)
	server := redistest.Start(t, redistest.Options{TLS: certificates})
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	install := func(c *redistest.Certificates) {
		for to, from := range map[string]string{cert: c.ClientCert, key: c.ClientKey} {
			text, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(others)
	c := single(server.Addr)
	c.TLS = redis.TLS{RequireTLS: true, CACertPath: certificates.CA, CertPath: cert, KeyPath: key}
	s := open(t, c, redis.Options{})
	if err := s.Ping(t.Context()); err == nil {
		t.Fatal("a certificate of another authority was accepted")
	}
	install(certificates)
	eventually(t, "ping", func(ctx context.Context) error { return s.Ping(ctx) })
}

func TestPassword(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Password: "secret"})
	c := single(server.Addr)
	c.DB = 5
	if err := open(t, c, redis.Options{}).Ping(t.Context()); !errors.Is(err, gateward.ErrUnavailable) {
		t.Errorf("without a password: got error %v, want %v", err, gateward.ErrUnavailable)
	}
	c.Password = gateward.NewSecret("secret")
	exercise(t, open(t, c, redis.Options{}))
	if n, err := client(t, server).DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("database 0 has %d keys, %v, want none", n, err)
	}
}
