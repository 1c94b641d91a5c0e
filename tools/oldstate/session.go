package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// session is a Claude Code.
type session struct {
	*machine
	id, transcript string
	pid            int
	env            []string
	events         int
}

// The ways in which a session runs. One of none of them is interactive, and no launcher reads its screen.
const (
	viaSDK   = "CLAUDE_CODE_ENTRYPOINT=sdk-cli"
	viaCLI   = "CLAUDE_CODE_ENTRYPOINT=cli"
	launched = "AFTERYOU_LAUNCHER=1:"
)

// session starts a Claude Code in a directory of that name.
func (m *machine) session(name string, env ...string) *session {
	sleeper := m.start(exec.Command("sleep", "600"))
	s := &session{machine: m, id: name + "-0000-4000-8000-000000000000", pid: sleeper.cmd.Process.Pid, env: env}
	s.transcript = filepath.Join(m.dir, ".claude/projects", name, s.id+".jsonl")
	s.write(`{"type":"mode"}`)
	s.hook("SessionStart", "source", "startup")
	return s
}

// command is a run of the hook; more are fields of the event with their values.
func (s *session) command(program string, args []string, name string, more ...string) *exec.Cmd {
	s.events++
	fields := map[string]string{"hook_event_name": name, "session_id": s.id, "transcript_path": s.transcript,
		"cwd": filepath.Join(s.dir, filepath.Base(filepath.Dir(s.transcript))), "prompt_id": strconv.Itoa(s.events)}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	cmd := exec.Command(program, append([]string{"hook"}, args...)...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(quoted(fields)), os.Stderr
	cmd.Env = s.machine.env(append([]string{"CLAUDE_PID=" + strconv.Itoa(s.pid)}, s.env...)...)
	return cmd
}

// hook runs the hook of an event to its end.
func (s *session) hook(name string, more ...string) { s.hookOf(s.program, name, more...) }

// hookOf does so with another program.
func (s *session) hookOf(program, name string, more ...string) {
	out, err := s.command(program, nil, name, more...).Output()
	if err != nil || len(out) > 0 {
		panic(fmt.Sprintf("the hook of %s says %q, %v", name, out, err))
	}
}

// reads runs a hook that only takes in what the transcript says.
func (s *session) reads() { s.hook("Notification", "message", "hello") }

// asks starts the hook of an event that waits, and returns when it stands in line.
func (s *session) asks(name string, more ...string) {
	s.start(s.command(s.program, nil, name, more...))
	field, value := "session", s.id
	if len(more) > 0 && more[0] == "agent_id" {
		field, value = "agent", more[1]
	}
	s.until(value+" stands in line", func(p pool) bool { return has(p.Queue, field, value) > 0 })
}

// called is one call that is answered: the session has its turn, and gives it back.
func (s *session) called(model string, input, output int) {
	s.hook("UserPromptSubmit", "prompt", "go on")
	s.sends(model)
	s.write(answer(model, input, output))
	s.hook("Stop")
}

// wakes starts the hook that waits in the background to wake the session.
func (s *session) wakes() *process {
	cmd := s.command(s.program, []string{"wake"}, "StopFailure", "error", "rate_limit")
	cmd.Stderr = nil // its word for the model
	return s.start(cmd)
}

// woken waits until a hook has woken its session.
func (p *process) woken() {
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 2 {
		panic(fmt.Sprintf("the hook that is to wake its session ends with %d", code))
	}
}
