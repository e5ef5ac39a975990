package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gateward/gateward"
)

// unavailable wraps an error of the storage.
func unavailable(op string, err error) error {
	if err == nil {
		return nil
	}
	err = spoken(err)
	if errors.Is(err, gateward.ErrUnavailable) {
		return fmt.Errorf("redis: %s: %w", op, err)
	}
	return fmt.Errorf("redis: %s: %w: %w", op, gateward.ErrUnavailable, err)
}

// A refusal is an error that a server has answered with, without what could be
// an argument of ours: a server repeats arguments, and they may be secrets.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// RedisError makes a refusal an error of the client's, like what it stands for.
func (*refusal) RedisError() {}

// spoken returns err without what a server repeats of our arguments.
func spoken(err error) error {
	var refused *refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	if text, ok := serverText(err); ok {
		return &refusal{withoutArguments(text)}
	}
	// The client may pass on an answer as text only.
	if before, _, ok := strings.Cut(err.Error(), argumentsFollow); ok {
		return errors.New(strings.TrimRight(before, ", "))
	}
	return err
}

const (
	unknownCommand  = "ERR unknown command"
	argumentsFollow = "with args beginning with"
	maxCodeLength   = 40
)

// withoutArguments returns the first word of an answer, its code; also the name
// of a command that the server does not know, since that is ours.
func withoutArguments(text string) string {
	if strings.HasPrefix(text, unknownCommand) {
		before, _, ok := strings.Cut(text, argumentsFollow)
		if before = strings.TrimRight(before, ", "); ok && len(before) <= len(unknownCommand)+maxCodeLength {
			return before
		}
		return unknownCommand
	}
	code, _, _ := strings.Cut(text, " ")
	if len(code) > maxCodeLength || strings.IndexFunc(code, notInCode) >= 0 {
		return "ERR"
	}
	return code
}

func notInCode(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' }
