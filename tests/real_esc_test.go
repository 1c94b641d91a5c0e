package tests

import (
	"context"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// silent answers nothing until the client goes.
func silent(fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Cut: fakeapi.Silent} }

// escape presses Esc once the server has the call, and sends the prompt again when it is back in the input box.
func (m *machine) escape(terminal *terminal.Terminal, calls int, prompt string) {
	m.t.Helper()
	m.until("the call", func(log []fakeapi.Request) bool { return len(log) == calls })
	if err := terminal.Send([]byte("\x1b")); err != nil {
		m.t.Fatal(err)
	}
	back := func(screen string) bool {
		return strings.HasSuffix(boxOf(screen), prompt) && !strings.Contains(screen, "esc to interrupt")
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	if err := terminal.WaitUntil(ctx, "the prompt in the input box", back); err != nil {
		m.t.Fatal(err)
	}
	for gone := false; !gone; { // Enter may come too early for 2.1.186
		if err := terminal.Send([]byte("\r")); err != nil {
			m.t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(ctx, 2*time.Second)
		gone = terminal.WaitUntil(soon, "the prompt to go", func(screen string) bool { return !back(screen) }) == nil
		cancel()
		if ctx.Err() != nil {
			m.t.Fatalf("the prompt is not sent; the screen:\n%s", terminal.Screen())
		}
	}
}

// boxOf is the line of the input box: between the last two ruled lines.
func boxOf(screen string) string {
	parts := strings.Split(screen, "────────────────────")
	var box string
	for _, p := range parts {
		if p = strings.Trim(p, "─\n "); strings.HasPrefix(p, "❯") {
			box = p
		}
	}
	return box
}

// 1. A call is under way when the person presses Esc; nothing of an answer came. 2. The person sends another prompt, and so
// twice more. 3. Nothing was rejected: so the account has no pace, and nobody is held back.
func TestRealEscIsNoRejection(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: silent})
	terminal := m.open(m.session("impatient"))
	m.ask(terminal, "hello")
	for calls := 1; calls <= 3; calls++ {
		m.escape(terminal, calls, "hello")
	}
	m.until("the last call", func(log []fakeapi.Request) bool { return len(log) == 4 })
	// Whoever comes next reads what the first wrote, its last request too.
	m.api.SetAnswer(fakeapi.Agentic(2))
	m.print(m.session("next"))
	if r := m.status(); len(r.Pools) != 1 || r.Pools[0].Rate != 0 {
		t.Errorf("a pace was learned where nothing was rejected: %+v", r)
	}
}

// 2.1.186 says of the same prompt the same to its hooks, to the byte; and nothing of an Esc before the first word. A budget
// of one call a minute holds the second one all the same.
func TestRealTheSamePromptAfterEscIsAnotherCall(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: silent}, "AFTERYOU_RPM=1")
	var err error
	if m.claude, err = realclaude.Install(t.Context(), "2.1.186"); err != nil {
		t.Fatal(err)
	}
	terminal := m.open(m.session("impatient"))
	m.ask(terminal, "hello")
	m.escape(terminal, 1, "hello")
	m.waits(0, 1)
	if log := m.api.Log(); len(log) != 1 {
		t.Errorf("%d calls, want 1: %+v", len(log), log)
	}
}
