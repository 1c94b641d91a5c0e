package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/fakeapi"
)

// patience bounds the wait for what must happen.
const patience = 2 * time.Minute

// home stands in the recordings for the directory that a machine really had.
const home = "/home/user"

// key is the API key of every session.
const key = "sk-ant-recorded"

// machine is a home directory with an API, where sessions run. What goes wrong on it ends the scenario.
type machine struct {
	program, other string
	newer          string
	dir            string
	save           func(label string, data []byte)
	api            *fakeapi.Server
	running        []*process
}

func newMachine(program, other string, save func(label string, data []byte)) *machine {
	dir, err := os.MkdirTemp("", "oldstate")
	check(err)
	api, err := fakeapi.Start(fakeapi.Config{})
	check(err)
	return &machine{program: program, other: other, dir: dir, save: save, api: api}
}

// close ends all that runs on the machine.
func (m *machine) close() {
	for _, p := range m.running {
		p.cmd.Process.Kill() // a hook that waits must not leave the line first
		<-p.ended
	}
	m.api.Close()
	os.RemoveAll(m.dir)
}

// process is one that runs beside us.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts a process that ends with the machine at the latest.
func (m *machine) start(cmd *exec.Cmd) *process {
	check(cmd.Start())
	p := &process{cmd, make(chan struct{})}
	m.running = append(m.running, p)
	go func() {
		defer close(p.ended)
		cmd.Wait() // what it ended with is looked at by who cares
	}()
	return p
}

// env is what every process of the machine has in its environment.
func (m *machine) env(more ...string) []string {
	return append([]string{"HOME=" + m.dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "XDG_STATE_HOME=" + filepath.Join(m.dir, ".local/state"),
		"ANTHROPIC_BASE_URL=" + m.api.URL(), "ANTHROPIC_API_KEY=" + key}, more...)
}

func (m *machine) state() string { return filepath.Join(m.dir, ".local/state/afteryou/state.json") }

// keep records the state as it is now.
func (m *machine) keep(label string) {
	data, err := os.ReadFile(m.state())
	check(err)
	m.save(label, []byte(strings.ReplaceAll(string(data), m.dir, home)))
}

// pool is one of a state's, as far as scenarios look at it.
type pool struct {
	Queue, Grants, Retries, Callers []entry
	Cool, Usage, Pace, Tokens       entry
	Account                         struct{ Calls []entry }
}

// entry is one entry of a pool.
type entry map[string]any

// has counts the entries in which some field has that value, and each of more is set.
func has(list []entry, field string, value any, more ...string) (n int) {
	for _, e := range list {
		ok := e[field] == value
		for _, name := range more {
			ok = ok && e[name] != nil
		}
		if ok {
			n++
		}
	}
	return n
}

// until waits until some pool of the state is as wanted.
func (m *machine) until(what string, ok func(p pool) bool) {
	var data []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		data, _ = os.ReadFile(m.state()) // not there yet
		var state struct{ Pools map[string]pool }
		if json.Unmarshal(data, &state) != nil {
			continue
		}
		for _, p := range state.Pools {
			if ok(p) {
				return
			}
		}
	}
	panic(fmt.Sprintf("waiting until %s: %s", what, data))
}
