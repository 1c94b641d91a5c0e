package wrapper

import (
	"strings"
	"testing"
)

// A program that outlived us would be cut off from the gateway.
func TestChildGoesWithUs(t *testing.T) {
	s := child(t, as("signals")...)
	if line := s.said(); !strings.HasPrefix(line, "ready ") {
		t.Fatal(line)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.gone()
}
