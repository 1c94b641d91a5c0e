package tests

import (
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// Whatever is wrong with the module, no request is lost and none is made twice, each tool runs once, and the session says what it
// says without us; where the module has a handler for it, nothing else.
func TestRealModuleBroken(t *testing.T) {
	t.Parallel()
	const before, after, step = "    exact = seen = true\n", "      const answered = say(", "    const agent = e.agentId ?? ''\n"
	const throws = "throw new Error('broken'); "
	for name, c := range map[string]struct {
		patches []string
		says    string // on standard error; "": nothing
	}{
		"throws before a request is sent":    {[]string{before, before + throws}, ""},
		"throws after it was answered":       {[]string{after, throws + after}, ""},
		"throws before a step":               {[]string{step, step + throws}, ""},
		"throws at the start":                {[]string{"    const started = next(e)\n", throws + "const started = next(e)\n"}, ""},
		"throws as it starts its partner":    {[]string{"  const child = ", "  " + throws + "const child = "}, ""},
		"throws as it is registered":         {[]string{"export const register = (on) => {\n", "export const register = (on) => {\n" + throws}, "afteryou"},
		"can't be read":                      {[]string{"const CALL", "const const CALL"}, "afteryou"},
		"takes longer than a hook may":       {[]string{before, "    if (!seen) await new Promise((over) => setTimeout(over, 15000))\n" + before}, ""},
		"takes longer after the answer":      {[]string{after, "if (serial === 1) await new Promise((over) => setTimeout(over, 15000)); " + after}, ""},
		"loops":                              {[]string{before, before + "    for (;;);\n"}, "afteryou"},
		"asks a partner that is no socket":   {[]string{"socketPath: at.socket", "socketPath: '/dev/null'"}, ""},
		"asks one that says something else":  {[]string{"return (lost = 0), JSON.parse(text)", "return (lost = 0), JSON.parse('{}}')"}, ""},
		"listens to an event of no version":  {[]string{"on('session.compact'", "on('session.comport'"}, "afteryou"},
		"starts a program that is not there": {[]string{"argv: [`${$.plugin.root}/hook.sh`, 'mod']", "argv: [`${$.plugin.root}/hook.shh`, 'mod']"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: toolOnce()})
			r := m.print(m.inside("session", moduleDir(t, c.patches...)))
			if c.says == "" && r.Stderr != "" || !strings.Contains(r.Stderr, c.says) || strings.Count(r.Stderr, "\n") > 4 {
				t.Errorf("it says %q on standard error, want a word of %q", r.Stderr, c.says)
			}
			ranOnce(t, filepath.Join(m.dir, "session", "work", "proof"))
			if log := m.api.Log(); len(log) != 2 {
				t.Errorf("%d calls, want 2: %+v", len(log), log)
			}
		})
	}
}

// probe is another plugin, whose module is given.
func probe(t *testing.T, module string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		".claude-plugin/plugin.json": `{"name":"probe","version":"0.0.1","description":"another one"}`,
		"hooks/hooks.json":           `{"modules":["./mod.js"]}`, "hooks/mod.js": module,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// Another module is around ours, or beneath it: requests that it sends again, rejects, or stops are no trouble of ours.
func TestRealModuleBesideAnother(t *testing.T) {
	t.Parallel()
	const engine = "if (next.origin.plugin !== 'engine') return next(e); "
	for name, c := range map[string]struct {
		hook  string
		calls int
	}{
		"passes":     {"return next(e)", 2},
		"is slow":    {"await $.clock.sleep(1000); return next(e)", 2},
		"asks twice": {"await next(e); return next(e)", 4},
		"throws":     {"throw new Error('other')", 2},
	} {
		for _, ours := range []string{"first", "last"} {
			t.Run(name+", ours "+ours, func(t *testing.T) {
				t.Parallel()
				m := newInside(t, fakeapi.Config{Answer: toolOnce()}, "AFTERYOU_TURNS=strict")
				other := probe(t, "export const register = (on) => on('http.fetch', async ($, e, next) => { "+engine+c.hook+" })")
				s := m.inside("session", moduleDir(t))
				if ours == "first" {
					s.Args = append(s.Args, "--plugin-dir", other)
				} else {
					s.Args = append([]string{"--plugin-dir", other}, s.Args...)
				}
				r := m.print(s)
				if strings.Contains(r.Stderr, "afteryou") {
					t.Errorf("it says %q of us", r.Stderr)
				}
				if log := m.api.Log(); len(log) != c.calls {
					t.Errorf("%d calls, want %d: %+v", len(log), c.calls, log)
				}
				if _, turns := m.counted(); turns != 0 {
					t.Errorf("%d turns are left", turns)
				}
			})
		}
	}
}

// A request that another module stops was not sent: it is not made again, and its turn is free.
func TestRealModuleAboveOneThatDenies(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: fakeapi.Agentic(1)}, "AFTERYOU_TURNS=strict")
	s := m.inside("session", moduleDir(t))
	s.Args = append(s.Args, "--plugin-dir", probe(t, "export const register = (on) => on('http.fetch', ($, e, next) => next.origin.plugin === 'engine' ? { deny: 'no' } : next(e))"))
	r, err := realclaude.Print(t.Context(), s, "hello")
	if err != nil || !strings.Contains(r.Stdout, "http.fetch hook stopped this request") || strings.Contains(r.Stderr, "afteryou") {
		t.Errorf("the session says %+v, %v; want that the request was stopped", r, err)
	}
	if log := m.api.Log(); len(log) != 0 {
		t.Errorf("%d calls, want none: %+v", len(log), log)
	}
	if _, turns := m.counted(); turns != 0 {
		t.Errorf("%d turns are left", turns)
	}
}
