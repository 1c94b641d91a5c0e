package hook

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// The hook gives way to the module of its own Claude Code alone, and not at the events that matter all the same.
func TestGivesWay(t *testing.T) {
	t.Parallel()
	own, parent := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	with := func(claude string) string { // this process is the partner too
		pid, _ := strconv.Atoi(claude) // a number, above
		return Mark(turn.Process{PID: pid}, lockfile.Self())
	}
	self := lockfile.Self()
	for name, c := range map[string]struct {
		mod, pid, event string
		want            bool
	}{
		"no module":                      {pid: own, event: eventOf("UserPromptSubmit", "s")},
		"its own module":                 {mod: with(own), pid: own, event: eventOf("UserPromptSubmit", "s"), want: true},
		"its own, after a tool":          {mod: with(own), pid: own, event: eventOf("PostToolBatch", "s"), want: true},
		"its own, known by its parent":   {mod: with(parent), event: eventOf("PreToolUse", "s"), want: true},
		"that of the session around":     {mod: with("1"), pid: own, event: eventOf("UserPromptSubmit", "s")},
		"a module without its partner":   {mod: fmt.Sprintf("%s/%d/%d", own, gone(t), self.Start), pid: own, event: eventOf("UserPromptSubmit", "s")},
		"another has its partner's pid":  {mod: fmt.Sprintf("%s/%d/%d", own, self.PID, self.Start+1), pid: own, event: eventOf("UserPromptSubmit", "s")},
		"a mark that is none":            {mod: own, pid: own, event: eventOf("UserPromptSubmit", "s")},
		"the session begins":             {mod: with(own), pid: own, event: eventOf("SessionStart", "s")},
		"the session ends":               {mod: with(own), pid: own, event: eventOf("SessionEnd", "s")},
		"the turn died":                  {mod: with(own), pid: own, event: eventOf("StopFailure", "s")},
		"the status is asked for":        {mod: with(own), pid: own, event: eventOf("UserPromptSubmit", "s", "prompt", StatusPrompt+"\n")},
		"an event that nobody can read":  {mod: with(own), pid: own, event: "{"},
		"an event of some later version": {mod: with(own), pid: own, event: eventOf("SomethingNew", "s"), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return map[string]string{ModEnv: c.mod, "CLAUDE_PID": c.pid}[name] }
			if got := GivesWay(getenv, []byte(c.event)); got != c.want {
				t.Errorf("gives way: %v, want %v", got, c.want)
			}
		})
	}
}

// gone is the pid of a process that ended.
func gone(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// 1. The partner writes which gate a session has. 2. An event leaves that as it is, takes no turn and waits for none, though
// another has the only one. 3. The session goes on in another process: the gate was the old one's.
func TestModuleKeepsItsSession(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "other")) // has the turn
	mod := ModEnv + "=" + Mark(lockfile.Self(), lockfile.Self())
	deliver := func(name string, env ...string) *turn.Session {
		d.hook(env...).Run(t.Context(), strings.NewReader(eventOf(name, "s")), &strings.Builder{})
		v, err := d.store.View()
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		return v.State.Sessions["s"]
	}
	deliver("SessionStart")
	v, err := d.store.Update(t.Context(), func(s *turn.State) error {
		s.Sessions["s"].Gate = turn.GateSteps
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if s := deliver("SessionStart", mod); s == nil || s.Gate != turn.GateSteps || !s.Exact() {
		t.Errorf("the session is %+v; want its gate kept", s)
	}
	if s := deliver("StopFailure", mod); s == nil || s.Gate != turn.GateSteps {
		t.Errorf("after its turn died it is %+v; want its gate kept", s)
	}
	if calls := d.account().Calls; len(calls) != 1 || calls[0].Session != "other" {
		t.Errorf("the account has the calls %+v; want the other's alone", calls)
	}
	child := lockfile.Identify(os.Getppid())
	if s := deliver("SessionStart", "CLAUDE_PID="+strconv.Itoa(child.PID)); s == nil || s.Gate != "" {
		t.Errorf("in another process it is %+v; want no gate", s)
	}
	if s := deliver("SessionEnd", mod); s != nil {
		t.Errorf("it ended, and is %+v", s)
	}
}

// Where the module is at work a turn that died of a limit makes the others wait, its transcript is not read, and the session is
// woken without standing in line: its next call does.
func TestModuleTellsOfADeath(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	env := []string{"CLAUDE_CODE_ENTRYPOINT=cli", ModEnv + "=" + Mark(lockfile.Self(), lockfile.Self())}
	v, err := d.store.Update(t.Context(), func(s *turn.State) error {
		s.Sessions = map[string]*turn.Session{"s": {Account: s.AccountID("secret"), Process: lockfile.Self(), Gate: turn.GateModule}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	dead := time.Now().Add(-time.Hour) // its row must not be told
	event := eventOf("StopFailure", "s", "error", "rate_limit", "last_assistant_message", "API Error: Request rejected (429)",
		"transcript_path", transcript(t, died(dead, "API Error: Request rejected (429)", `"apiErrorStatus":429,`)))
	d.hook(env...).Run(t.Context(), strings.NewReader(event), &strings.Builder{})
	if until := d.account().CoolsUntil(time.Now(), ""); until.IsZero() {
		t.Errorf("nobody waits: %+v", d.account())
	}
	past := eventOf("StopFailure", "s", "transcript_path", transcript(t, died(time.Now(), "You've hit your 5-hour limit", fmt.Sprintf(
		`"apiErrorStatus":429,"quotaLimits":{"resetsAt":%d},`, time.Now().Add(-4*time.Minute).Unix()))))
	if _, ok := d.hook(env...).Wake(t.Context(), strings.NewReader(past)); !ok {
		t.Errorf("the session is not woken; log:\n%s", d.log())
	}
	if calls := d.account().Calls; len(calls) > 0 {
		t.Errorf("it stands in line: %+v", calls)
	}
}
