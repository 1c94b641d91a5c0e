package realclaude_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/terminal"
)

// In auto mode, the default since 2.1.332, the server says along with its answer whether the tool that it calls is safe;
// then the tool runs without a question. A shell in a shell is nothing that runs unchecked.
func TestRealAutoModeRunsAToolUnasked(t *testing.T) {
	t.Parallel()
	api := serve(t, fakeapi.Config{Answer: fakeapi.AgenticCommand(2, func(int) string { return "sh -c 'echo ran' > proof" })})
	s, _ := fresh(t, api)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	term, err := terminal.Open(s, 100, 30)
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	if err := term.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := term.Type("hello"); err != nil {
		t.Fatal(err)
	}
	if err := term.WaitFor(ctx, "● done"); err != nil {
		t.Fatal(err)
	}
	if proof, err := os.ReadFile(filepath.Join(s.Dir, "proof")); err != nil || string(proof) != "ran\n" {
		t.Errorf("the tool left %q, %v", proof, err)
	}
	for i, r := range api.Log() {
		if !r.Checked {
			t.Errorf("call %d does not ask whether its tools are safe: %+v", i+1, r)
		}
	}
}
