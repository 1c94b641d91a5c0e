package tests

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/fakeapi"
	"afteryou/internal/install"
	"afteryou/internal/limit"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// finding is what doctor --json prints.
type finding struct{ Check, Grade, Says, Cure string }

// doctor examines, and wants exit code 1 when something is broken.
func (s *person) doctor() (list []finding) {
	s.t.Helper()
	home := s.home
	s.home = mkdir(s.path("project")) // where the person is
	out, errs, code := s.afteryou("doctor", "--json")
	s.home = home
	var r struct{ Findings []finding }
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Findings) == 0 {
		s.t.Fatalf("doctor prints %q and %q: %v", out, errs, err)
	}
	broken := 0
	for _, f := range r.Findings {
		if f.Grade == "broken" {
			broken = 1
			if f.Cure == "" {
				s.t.Errorf("broken without a cure: %+v", f)
			}
		}
	}
	if code != broken {
		s.t.Errorf("doctor ends with %d, want %d: %s", code, broken, out)
	}
	return r.Findings
}

func (s *person) user() install.User {
	return install.User{Self: afteryou, Getenv: func(name string) string {
		for _, e := range s.env {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}}
}

// hooks writes hooks into the settings as another afteryou, or for another version.
func (s *person) hooks(self, version string) {
	s.t.Helper()
	u := s.user()
	u.Self = self
	v, _ := claude.ParseVersion(version)
	c, err := u.Hooks(v, false)
	if err == nil {
		err = c.Apply()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// switchedOn is the settings with our plugin switched on.
func switchedOn(settings string) string {
	on := `{"enabledPlugins":{"afteryou@afteryou":true}`
	if rest := strings.TrimPrefix(settings, "{"); rest != "}" {
		on += ","
	}
	return on + strings.TrimPrefix(settings, "{")
}

const installed = "afteryou install --yes hooks alias"

// settings are the person's of Claude Code.
const settings = ".claude/settings.json"

// fault is something that keeps sessions from taking turns.
type fault struct {
	name    string
	version string // of Claude Code; empty: 2.1.330
	env     []string
	fault   func(s *person)
	check   string
	grade   string
	says    string
	cure    string          // what it begins with; "*" at its end: it is run as it is, in a shell
	by      func(s *person) // or what a person does who reads it
}

// in is the finding that doctor makes of the fault, if it is in a list.
func (f fault) in(list []finding) (finding, bool) {
	i := slices.IndexFunc(list, func(one finding) bool {
		return one.Check == f.check && one.Grade == f.grade && strings.Contains(one.Says, f.says)
	})
	if i < 0 {
		return finding{}, false
	}
	return list[i], true
}

// isFoundAndCured wants the fault to be found where it is made, and not before nor after its cure.
func (f fault) isFoundAndCured(t *testing.T) {
	s := newSomeone(t, cmp.Or(f.version, "2.1.330"))
	s.sh(installed)
	clean := s.doctor()
	s.env = append(s.env, f.env...)
	if f.fault != nil {
		f.fault(s)
	}
	if found, ok := f.in(clean); ok && f.fault != nil {
		t.Fatalf("before the fault is made it is found: %+v", found)
	}
	found, ok := f.in(s.doctor())
	if !ok {
		t.Fatalf("not found: %+v", s.doctor())
	}
	begin, run := strings.CutSuffix(f.cure, "*")
	if !strings.HasPrefix(found.Cure, begin) {
		t.Errorf("cure %q, want %q", found.Cure, f.cure)
	}
	if run {
		s.sh(strings.Replace(found.Cure, "afteryou install", "afteryou install --yes", 1))
	} else {
		f.by(s)
	}
	after := s.doctor()
	if found, ok := f.in(after); ok {
		t.Errorf("after the cure it is still found: %+v", found)
	}
	for _, found := range after {
		if found.Grade == "broken" {
			t.Errorf("after the cure something is broken: %+v", found)
		}
	}
}

func TestDoctorFindsEachFaultAndItsCureWorks(t *testing.T) {
	t.Parallel()
	onPath := func(s *person) {
		s.env = append(s.env, "PATH="+strings.Join([]string{filepath.Dir(afteryou), s.path("real"), "/usr/bin", "/bin"}, ":"))
	}
	for _, f := range []fault{
		{name: "nothing is installed", fault: func(s *person) { s.sh("afteryou uninstall --yes") },
			check: "command", grade: "broken", says: "neither hooks nor an alias", cure: "afteryou install*"},
		{name: "no Claude Code", fault: func(s *person) { s.sh("mv real unreal") },
			check: "claude", grade: "broken", says: "no Claude Code found", cure: "install it", by: func(s *person) { s.sh("mv unreal real") }},
		{name: "AFTERYOU_CLAUDE leads nowhere", env: []string{"AFTERYOU_CLAUDE=/nowhere/claude"},
			check: "claude", grade: "broken", says: "/nowhere/claude", cure: "set AFTERYOU_CLAUDE", by: func(s *person) { s.env = append(s.env, "AFTERYOU_CLAUDE=") }},
		{name: "two of them", fault: func(s *person) { s.write(".local/bin/claude", "#!/bin/sh\necho 2.1.100\n", 0o755) },
			check: "claude", grade: "note", says: "another Claude Code: ", cure: "remove one", by: func(s *person) { s.sh("rm .local/bin/claude") }},
		{name: "one that says no version", fault: func(s *person) { s.write("real/claude", "#!/bin/sh\necho hello\n", 0o755) },
			check: "claude", grade: "broken", says: "unexpected answer", cure: "see what", by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 2.1.330\n", 0o755) }},
		{name: "a version that is not supported", fault: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 0.2.9\n", 0o755) },
			check: "claude", grade: "broken", says: "Claude Code 0.2.9 take no turns: it is older than 2.0.55", cure: "claude update", by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 2.1.330\n", 0o755) }},
		{name: "a version that can't wait", version: "2.1.150",
			check: "claude", grade: "note", says: "retry-after above 60 s", cure: "claude update", by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 2.1.330\n", 0o755) }},
		{name: "a version newer than what was measured", version: "2.9.999",
			check: "claude", grade: "note", says: "is 2.9.999, newer than what was measured (" + realclaude.Version + "); treated alike", cure: "",
			by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho "+realclaude.Version+"\n", 0o755) }},
		{name: "a version without PostToolBatch", version: "2.1.90",
			check: "claude", grade: "note", says: "before 2.1.118", cure: "claude update", by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 2.1.330\n", 0o755); s.sh(installed) }},

		{name: "settings that are broken", fault: func(s *person) { s.write(settings, "{\n  x\n}", 0o600) },
			check: "hooks", grade: "broken", says: "line 2, column 3", cure: "correct ", by: func(s *person) { s.write(settings, "{}", 0o600); s.sh(installed) }},
		{name: "hooks switched off", fault: func(s *person) { s.sh("sed -i '1a\"disableAllHooks\":true,' " + settings) },
			check: "hooks", grade: "broken", says: "switches all hooks off", cure: "take disableAllHooks out", by: func(s *person) { s.sh("sed -i /disableAllHooks/d " + settings) }},
		{name: "hooks switched off in the project", fault: func(s *person) {
			s.write("project/.claude/settings.local.json", `{"disableAllHooks":true}`, 0o600)
		}, check: "hooks", grade: "broken", says: "project/.claude/settings.local.json switches", cure: "take disableAllHooks out", by: func(s *person) { s.sh("rm project/.claude/settings.local.json") }},
		{name: "hooks of an afteryou that is gone", fault: func(s *person) { s.hooks("/gone/afteryou", "2.1.330") },
			check: "hooks", grade: "broken", says: "run /gone/afteryou, which is not there", cure: "afteryou install hooks*"},
		{name: "hooks of another afteryou", fault: func(s *person) {
			s.write("old/afteryou", "#!/bin/sh\n", 0o755)
			s.hooks(s.path("old/afteryou"), "2.1.330")
		}, check: "hooks", grade: "broken", says: "run another afteryou", cure: "afteryou install hooks*"},
		{name: "hooks twice in one file", fault: func(s *person) {
			v, _ := claude.ParseVersion("2.1.330")
			twice, err := claude.AddHooks([]byte(s.read(settings)), claude.Hooks(afteryou, v))
			if err != nil {
				s.t.Fatal(err)
			}
			s.write(settings, string(twice), 0o600)
		}, check: "hooks", grade: "broken", says: "are there twice", cure: "afteryou install hooks*"},
		{name: "hooks in the project too", fault: func(s *person) { s.write("project/.claude/settings.json", s.read(settings), 0o600) },
			check: "hooks", grade: "broken", says: "a second time", cure: "take afteryou's hooks out of", by: func(s *person) { s.sh("rm project/.claude/settings.json") }},
		{name: "hooks for a newer version than the one that runs", version: "2.0.76", fault: func(s *person) { s.hooks(afteryou, "2.1.330") },
			check: "hooks", grade: "broken", says: "names PostCompact, PostToolBatch, StopFailure, which 2.0.76 does not know: it drops all hooks", cure: "afteryou install hooks*"},
		{name: "a hook of the user's for a newer version", version: "2.0.76", fault: func(s *person) {
			s.write("project/.claude/settings.json", `{"hooks":{"StopFailure":[{"hooks":[{"type":"command","command":"x"}]}]}}`, 0o600)
		}, check: "hooks", grade: "broken", says: "names StopFailure, which 2.0.76", cure: "take it out of", by: func(s *person) { s.sh("rm project/.claude/settings.json") }},
		{name: "hooks for an older version than the one that runs", fault: func(s *person) { s.hooks(afteryou, "2.0.76") },
			check: "hooks", grade: "broken", says: "written for another version than 2.1.330", cure: "afteryou install hooks*"},

		{name: "the plugin beside the hooks", fault: func(s *person) { onPath(s); s.write(settings, switchedOn(s.read(settings)), 0o600) },
			check: "hooks", grade: "note", says: "each event comes twice and counts once", cure: "afteryou uninstall hooks", by: func(s *person) { s.sh("afteryou uninstall hooks --yes") }},
		{name: "the plugin without the program", fault: func(s *person) { s.write(settings, switchedOn(s.read(settings)), 0o600) },
			check: "hooks", grade: "broken", says: "finds no afteryou on PATH", cure: "put " + filepath.Dir(afteryou) + " on PATH", by: onPath},
		{name: "the plugin in a version without PostToolBatch", version: "2.1.90", fault: func(s *person) { onPath(s); s.write(settings, switchedOn("{}"), 0o600) },
			check: "hooks", grade: "note", says: "just at prompts and subagents", cure: "claude update", by: func(s *person) { s.write("real/claude", "#!/bin/sh\necho 2.1.330\n", 0o755) }},

		{name: "the module is not there", env: []string{withModule},
			check: "module", grade: "note", says: "only sessions that afteryou run starts find it", cure: "afteryou install hooks*"},
		{name: "the module of another afteryou", env: []string{withModule}, fault: func(s *person) {
			mkdir(s.path(".claude/skills"))
			os.Symlink("/gone/afteryou/plugin-0123456789ab", s.path(".claude/skills/afteryou"))
		}, check: "module", grade: "broken", says: ".claude/skills/afteryou leads to that of another afteryou", cure: "afteryou install hooks*"},
		{name: "the module is switched off", // as it comes here
			check: "module", grade: "note", says: "it is switched off", cure: "set module to auto", by: func(s *person) { s.env = append(s.env, withModule) }},
		{name: "no module in safe mode", env: []string{withModule, "CLAUDE_CODE_SAFE_MODE=1"},
			check: "module", grade: "note", says: "loads none here: CLAUDE_CODE_SAFE_MODE", by: func(s *person) { s.env = append(s.env, "CLAUDE_CODE_SAFE_MODE=") }},

		{name: "the alias is shadowed", fault: func(s *person) { s.sh("echo \"alias claude='claude --model opus'\" >> .bashrc") },
			check: "command", grade: "broken", says: "is not in force: claude is alias claude='claude --model opus'", cure: "afteryou install alias*"},
		{name: "the alias is unset later", fault: func(s *person) { s.sh("echo 'unalias claude' >> .bashrc") },
			check: "command", grade: "broken", says: "is not in force", cure: "afteryou install alias", by: func(s *person) { s.sh("sed -i /unalias/d .bashrc") }},
		{name: "the alias leads to an afteryou that is gone", fault: func(s *person) { s.sh("sed -i 's|claude=.*|claude=\"/gone/afteryou run --\"|' .bashrc") },
			check: "command", grade: "broken", says: "/gone/afteryou, which is not there", cure: "afteryou install alias*"},

		{name: "sessions without the long wait", version: "2.1.280", // as they come
			check: "watchdog", grade: "note", says: "die of a retry-after above 60 s", cure: "afteryou install hooks --watchdog", by: func(s *person) { s.sh("afteryou install hooks --watchdog --yes") }},
		{name: "the watchdog is switched off", env: []string{"CLAUDE_CODE_RETRY_WATCHDOG=0"},
			check: "watchdog", grade: "broken", says: `is "0" in your environment`, cure: "take it out", by: func(s *person) { s.env = append(s.env, "CLAUDE_CODE_RETRY_WATCHDOG=1") }},
		{name: "the gateway where it can't be", env: []string{"AFTERYOU_GATEWAY=on", "CLAUDE_CODE_USE_BEDROCK=1"},
			check: "gateway", grade: "broken", says: "CLAUDE_CODE_USE_BEDROCK sends calls elsewhere", cure: "set gateway to auto", by: func(s *person) { s.env = append(s.env, "AFTERYOU_GATEWAY=off") }},
		{name: "the gateway takes something away", env: []string{"AFTERYOU_GATEWAY=on"},
			check: "gateway", grade: "note", says: "Remote Control", cure: "set gateway to auto", by: func(s *person) { s.env = append(s.env, "AFTERYOU_GATEWAY=off") }},
		{name: "our own settings are wrong", fault: func(s *person) { s.write(".config/afteryou/config.toml", "turn = \"strict\"\n", 0o600) },
			check: "settings", grade: "broken", says: `"turn"`, cure: "", by: func(s *person) { s.write(".config/afteryou/config.toml", "turns = \"strict\"\n", 0o600) }},
		{name: "switched off", env: []string{"AFTERYOU_OFF=1"},
			check: "settings", grade: "note", says: "is switched off", cure: "take off = true out", by: func(s *person) { s.env = append(s.env, "AFTERYOU_OFF=") }},

		{name: "a state that others can write", fault: func(s *person) { os.Chmod(mkdir(s.path(".local/state/afteryou")), 0o777) },
			check: "state", grade: "broken", says: "writable by others", cure: "chmod 700 *"},
		{name: "a state that is a symlink", fault: func(s *person) {
			mkdir(s.path(".local/state"))
			os.Symlink(mkdir(s.path("elsewhere")), s.path(".local/state/afteryou"))
		}, check: "state", grade: "broken", says: "is a symlink", cure: "rm ", by: func(s *person) { s.sh("rm .local/state/afteryou") }},
		{name: "a state that is a file", fault: func(s *person) { s.write(".local/state/afteryou", "", 0o600) },
			check: "state", grade: "broken", says: "not a directory", cure: "mv *"},
		{name: "a state that is cut off", fault: func(s *person) {
			os.Chmod(s.path(".local"), 0o700)
			s.write(".local/state/afteryou/state.json", `{"version":1,`, 0o600)
		},
			check: "state", grade: "broken", says: "unexpected end", cure: "mv ", by: func(s *person) { s.sh("mv .local/state/afteryou/state.json .local/state/afteryou/state.old") }},
		{name: "a state of a newer afteryou", fault: func(s *person) { s.write(".local/state/afteryou/state.json", `{"version":99}`, 0o600) },
			check: "state", grade: "broken", says: "newer afteryou", cure: "update this afteryou", by: func(s *person) { s.sh("rm -r .local/state/afteryou") }},
		{name: "a lock that can't be taken", fault: func(s *person) { mkdir(s.path(".local/state/afteryou/lock")) },
			check: "state", grade: "broken", says: "lock", cure: "rm -r ", by: func(s *person) { s.sh("rm -r .local/state/afteryou/lock") }},
		{name: "a clock that was set back", fault: func(s *person) {
			s.state(func(st *turn.State) error {
				st.Sessions = map[string]*turn.Session{"s": {Process: lockfile.Self(), Seen: time.Now().Add(time.Hour)}}
				return nil
			})
		}, check: "clock", grade: "note", says: "set back", cure: "nothing", by: func(s *person) {
			s.state(func(st *turn.State) error { st.Sessions = nil; return nil })
		}},
		{name: "two accounts in one line", fault: func(s *person) {
			s.write("one/.claude/settings.json", `{"apiKeyHelper":"pass one"}`, 0o600)
			mkdir(s.path("two"))
			s.state(func(st *turn.State) error {
				a := st.Open("p")
				a.Name, a.Classes = "login of ~/.claude", map[string]*turn.Class{"": {Pace: limit.Pace{Rate: 1}}}
				st.Sessions = map[string]*turn.Session{
					"1": {Account: "p", Process: lockfile.Self(), Dir: s.path("one"), Seen: time.Now()},
					"2": {Account: "p", Process: lockfile.Self(), Dir: s.path("two"), Seen: time.Now()},
				}
				return nil
			})
		}, check: "accounts", grade: "broken", says: "pass one", cure: "give one of them", by: func(s *person) { s.sh("rm one/.claude/settings.json") }},
		{name: "keys of two helpers", fault: func(s *person) {
			s.sh("sed -i '1a\"apiKeyHelper\":\"pass one\",' " + settings)
			s.write("project/.claude/settings.json", `{"apiKeyHelper":"pass two"}`, 0o600)
		}, check: "accounts", grade: "broken", says: "pass one; pass two", cure: "give the projects'", by: func(s *person) { s.sh("rm project/.claude/settings.json") }},
	} {
		t.Run(f.name, f.isFoundAndCured)
	}
}

// Sessions that run without our hooks are found, those that take part, programs of the same name and helpers are not.
func TestDoctorFindsSessionsThatTakeNoTurns(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "2.1.330")
	s.sh(installed)
	with, without := s.session(), s.session()
	s.state(func(st *turn.State) error {
		st.Sessions = map[string]*turn.Session{"1": {Process: lockfile.Identify(with), Seen: time.Now()}}
		return nil
	})
	said := func() string {
		for _, f := range s.doctor() {
			if f.Check == "sessions" {
				return f.Grade + ": " + f.Says
			}
		}
		return ""
	}
	if text := said(); !strings.HasPrefix(text, "broken: ") || !strings.Contains(text, fmt.Sprint(without)) || strings.Contains(text, fmt.Sprint(with)) {
		t.Errorf("doctor says %q, want %d and not %d", text, without, with)
	}
	process, err := os.FindProcess(without)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); lockfile.Alive(turn.Process{PID: without}) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if text := said(); strings.Contains(text, fmt.Sprint(without)) {
		t.Errorf("doctor says %q of one that is gone", text)
	}
}

// A real session without our hooks is found; one of run takes turns.
func TestRealDoctorTellsSessionsApart(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
	s := m.session("home")
	sessions := func() (f finding) {
		cmd := exec.Command(afteryou, "doctor", "--json")
		cmd.Env, cmd.Dir = s.Env, s.Dir
		out, _ := cmd.Output() // 1: something is broken
		var r struct{ Findings []finding }
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("doctor prints %q: %v", out, err)
		}
		for _, f := range r.Findings {
			if f.Check == "sessions" {
				return f
			}
		}
		return f
	}
	terminal := m.open(m.direct(s))
	if f := sessions(); f.Grade != "broken" || !strings.HasPrefix(f.Says, "1 of 1 running sessions take no turns") || !strings.Contains(f.Cure, "claude --continue") {
		t.Errorf("of a session without hooks doctor says %+v", f)
	}
	terminal.Close()
	terminal = m.open(s)
	m.ask(terminal, "hello")
	m.sees(terminal, "done")
	if f := sessions(); f.Grade != "ok" || f.Says != "all 1 running sessions take turns" {
		t.Errorf("of a session with hooks doctor says %+v", f)
	}
}

// Where every session finds the module nothing else is wished for: neither the alias nor Claude Code's own long wait.
func TestDoctorWishesForNothingBesideTheModule(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "2.1.330")
	s.env = append(s.env, withModule, "CLAUDE_CODE_RETRY_WATCHDOG=0")
	s.sh("afteryou install --yes hooks")
	for _, f := range s.doctor() {
		if f.Grade != "ok" && (f.Check == "command" || f.Check == "watchdog" || f.Check == "module") {
			t.Errorf("doctor says %+v", f)
		}
	}
}
