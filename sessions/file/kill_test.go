package file_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// childPath makes this test binary the process that is to be killed.
const childPath = "GATEWARD_TEST_FILE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Fprintln(os.Stderr, child(path)) // it returns only if something is wrong
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child writes until it is killed, and says what was acknowledged: of sessions
// that it made, replaced or ended, and of users.
func child(path string) error {
	s, err := file.Open(context.Background(), path, file.Options{Now: atStart, Random: rand.Reader})
	if err != nil {
		return err
	}
	failed := make(chan error)
	var mu sync.Mutex
	say := func(what, id string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s\n", what, id)
	}
	for i := range 16 {
		live := life
		if i%4 == 0 {
			live = person
		}
		go func() {
			for {
				if err := live(s, say); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func life(s *file.Store, say func(what, id string)) error {
	ctx := context.Background()
	for _, step := range []string{"created", "replaced", "deleted", "expired"} {
		one := session("ada")
		if err := s.Create(ctx, one); err != nil {
			return err
		}
		one.Revision = 1
		var err error
		switch step {
		case "replaced":
			one.Identity.Name = "late"
			err = s.Replace(ctx, one)
		case "deleted":
			err = s.Delete(ctx, one.ID)
		case "expired":
			err = s.Expire(ctx, one.ID, start)
		}
		if err != nil {
			return err
		}
		say(step, one.ID)
	}
	return nil
}

// person is life for users.
func person(s *file.Store, say func(what, id string)) error {
	ctx := context.Background()
	for _, step := range []string{"signed-up", "disabled", "enabled"} {
		u := user()
		u.Enabled = step != "enabled"
		if err := s.CreateUser(ctx, u); err != nil {
			return err
		}
		if u.Revision = 1; step != "signed-up" {
			u.Enabled = step == "enabled"
			if err := s.ReplaceUser(ctx, u); err != nil {
				return err
			}
		}
		say(step, u.ID)
	}
	return nil
}

// TestKill kills a process under load, time and again, and finds everything that
// it acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	rounds := 6
	if testing.Short() {
		rounds = 3
	}
	acknowledged := map[string]string{}
	for round := range rounds {
		killOne(t, path, anyMoment(t), acknowledged)
		s := open(t, path, file.Options{})
		lost := 0
		for id, what := range acknowledged {
			if !survived(t, s, id, what) {
				lost++
			}
		}
		if !disabledSurvived(t, s, acknowledged) {
			t.Errorf("round %d: the keys of a disabled user are lost", round)
		}
		t.Logf("round %d: %d acknowledged, %d lost", round, len(acknowledged), lost)
		if lost > 0 {
			t.Errorf("round %d: %d of %d acknowledged writes are lost", round, lost, len(acknowledged))
		}
		closed(t, s)
	}
}

// anyMoment returns after how many writes to kill.
func anyMoment(t *testing.T) int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(400))
	if err != nil {
		t.Fatal(err)
	}
	return 20 + int(n.Int64())
}

func survived(t *testing.T, s *file.Store, id, what string) bool {
	t.Helper()
	switch what {
	case "signed-up", "disabled", "enabled":
		return personSurvived(t, s, id, what)
	}
	got, err := s.Get(t.Context(), id)
	switch what {
	case "created":
		return err == nil && got.Revision == 1
	case "replaced":
		return err == nil && got.Revision == 2 && got.Identity.Name == "late"
	default:
		return errors.Is(err, sessions.ErrNotFound)
	}
}

func disabledSurvived(t *testing.T, s *file.Store, acknowledged map[string]string) bool {
	t.Helper()
	keys, err := s.DisabledKeys(t.Context())
	denied := map[sessions.Key]bool{}
	for _, k := range keys {
		denied[k] = true
	}
	for id, what := range acknowledged {
		if what == "disabled" && !denied[sessions.KeyOfUser(id)] || what == "enabled" && denied[sessions.KeyOfUser(id)] {
			return false
		}
	}
	return err == nil
}

func personSurvived(t *testing.T, s *file.Store, id, what string) bool {
	t.Helper()
	got, err := s.User(t.Context(), id)
	if err != nil || got.Enabled != (what != "disabled") || got.Revision != map[string]uint64{"signed-up": 1, "disabled": 2, "enabled": 2}[what] {
		return false
	}
	again, err := s.UserOf(t.Context(), got.Identities[0].Principal)
	return err == nil && again.ID == id
}

// killOne runs a child until it has acknowledged n writes, and notes also those
// that it acknowledged while it was being killed.
func killOne(t *testing.T, path string, n int, acknowledged map[string]string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childPath+"="+path)
	var wrong strings.Builder
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for i := 0; ; i++ {
		line, err := r.ReadString('\n')
		if err != nil { // what is left of the last line does not count
			if i < n || !errors.Is(err, io.EOF) {
				t.Fatalf("the child ended after %d writes: %v: %s", i, err, wrong.String())
			}
			break
		}
		what, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		acknowledged[id] = what
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not killed")
	}
}
