package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// MasterName is what the sentinels call their master.
const MasterName = "gateward-test"

// A Sentinel is a master, a replica of it, and three sentinels that agree on a
// failover when two of them have not seen the master for 1.5 s.
type Sentinel struct {
	// Addrs are those of the sentinels.
	Addrs []string

	tb      testing.TB
	servers []*Server
}

// StartSentinel runs one, and waits until a failover would succeed.
func StartSentinel(tb testing.TB) *Sentinel {
	tb.Helper()
	master := node(tb)
	replica := node(tb, "--replicaof", "127.0.0.1 "+master.port())
	s := &Sentinel{tb: tb, servers: []*Server{master, replica}}
	for range 3 {
		s.startSentinel(master)
	}
	for _, a := range s.Addrs {
		eventually(tb, "the sentinel at "+a, func(ctx context.Context) error {
			f, err := s.ask(ctx, a)
			if err == nil && (f["num-slaves"] != "1" || f["num-other-sentinels"] != "2" || f["flags"] != "master") {
				err = fmt.Errorf("it sees %s replicas, %s sentinels, %s", f["num-slaves"], f["num-other-sentinels"], f["flags"])
			}
			return err
		})
	}
	s.waitForReplica()
	return s
}

func (s *Sentinel) startSentinel(master *Server) {
	s.tb.Helper()
	port, dir := freePort(s.tb), s.tb.TempDir()
	config := dir + "/sentinel.conf" // the sentinel rewrites it
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %[3]s 127.0.0.1 %[4]s 2\n"+
		"sentinel down-after-milliseconds %[3]s 1500\nsentinel failover-timeout %[3]s 6000\n",
		port, dir, MasterName, master.port())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	startProcess(s.tb, dir, config, "--sentinel")
	s.Addrs = append(s.Addrs, address(port))
}

// ask returns what a sentinel knows of the master.
func (s *Sentinel) ask(ctx context.Context, sentinel string) (map[string]string, error) {
	c := goredis.NewSentinelClient(&goredis.Options{Addr: sentinel, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	return c.Master(ctx, MasterName).Result()
}

// Master returns the server that the sentinels call master.
func (s *Sentinel) Master() *Server {
	s.tb.Helper()
	var master *Server
	eventually(s.tb, "the sentinels' master", func(ctx context.Context) error {
		f, err := s.ask(ctx, s.Addrs[0])
		for _, server := range s.servers {
			if err == nil && server.port() == f["port"] {
				master = server
				return nil
			}
		}
		return errors.Join(errors.New("unknown master"), err)
	})
	return master
}

// KillMaster kills the master and waits until the sentinels have made another.
// It returns the one that was killed.
func (s *Sentinel) KillMaster() *Server {
	s.tb.Helper()
	old := s.Master()
	old.Kill()
	for _, a := range s.Addrs {
		eventually(s.tb, "another master", func(ctx context.Context) error {
			f, err := s.ask(ctx, a)
			if err == nil && (f["port"] == old.port() || f["flags"] != "master") {
				err = fmt.Errorf("it is at port %s, %s", f["port"], f["flags"])
			}
			return err
		})
	}
	return old
}

// waitForReplica waits until the replica gets what the master does.
func (s *Sentinel) waitForReplica() {
	s.tb.Helper()
	c := s.Master().Client()
	defer c.Close()
	eventually(s.tb, "the replica", func(ctx context.Context) error { return replicated(ctx, c) })
}

// replicated reports whether a write to a master reaches a replica: one that is
// called online may not get anything for a second.
func replicated(ctx context.Context, master *goredis.Client) error {
	for i := range 100 { // some of these keys are its own, in a cluster
		pipe := master.Pipeline()
		set := pipe.Set(ctx, fmt.Sprintf("redistest:%d", i), "", time.Millisecond)
		wait := pipe.Do(ctx, "wait", 1, 1000)
		_, _ = pipe.Exec(ctx) // each has its own error
		if goredis.HasErrorPrefix(set.Err(), "MOVED") {
			continue
		}
		n, err := wait.Int()
		if err = errors.Join(set.Err(), err); err == nil && n == 0 {
			err = errors.New("it does not acknowledge")
		}
		return err
	}
	return errors.New("no key is its own")
}
