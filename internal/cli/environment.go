package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"afteryou/internal/launch"
	"afteryou/lockfile"
)

// servesEnv is set for the process that keeps the gateways of a shell open: the shell's pid.
const servesEnv = "AFTERYOU_SERVES"

// environment is what sets up the shell that calls us.
type environment struct {
	print bool
	shell string
}

// dialects are how a shell sets a variable to a quoted value, and takes one away.
func dialects() map[string][2]string {
	return map[string][2]string{
		"sh":   {"export %s=%s;\n", "unset %s;\n"},
		"fish": {"set -gx %s %s;\n", "set -e %s;\n"},
		"csh":  {"setenv %s %s;\n", "unsetenv %s;\n"},
	}
}

// served is what the process that serves a shell tells the one that prints.
type served struct {
	Says []string
	Env  launch.Env // of the shell from now on
}

// set prints the assignments, once a process beside us serves the shell. It ends with the shell, however that ends.
func (e environment) set(c call, of launch.Exec) (int, error) {
	if of.Store == nil {
		return 0, nil
	}
	if shell, err := strconv.Atoi(os.Getenv(servesEnv)); err == nil {
		return e.serve(c, of, shell)
	}
	self, err := executable()
	if err != nil {
		return exitFailure, err
	}
	server := exec.Command(self, os.Args[1:]...)
	server.Env = append(os.Environ(), servesEnv+"="+strconv.Itoa(os.Getppid()))
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no key of the terminal reaches it
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	var s served
	if err == nil {
		err = json.NewDecoder(out).Decode(&s)
	}
	if err != nil {
		return exitFailure, fmt.Errorf("starting the shell's gateway: %w", err)
	}
	for _, text := range s.Says {
		c.note("%s", text)
	}
	e.write(c, launch.Env(os.Environ()), s.Env)
	return 0, nil
}

// write prints what makes one environment the other.
func (e environment) write(c call, was, is launch.Env) {
	words := dialects()[e.shell]
	for _, entry := range is {
		if name, value, _ := strings.Cut(entry, "="); was.Get(name) != value || !was.Has(name) {
			fmt.Fprintf(c.out, words[0], name, quote(value))
		}
	}
	for _, entry := range was {
		if name, _, _ := strings.Cut(entry, "="); !is.Has(name) {
			fmt.Fprintf(c.out, words[1], name)
		}
	}
}

// quote has a shell take a value as it stands. What is set are URLs, lists of hosts and settings.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'"'"'`) + "'" }

// serve keeps the gateways of a shell open until it is gone.
func (e environment) serve(c call, of launch.Exec, shell int) (int, error) {
	var s served
	of.Env = of.Env.Without(servesEnv)
	of.Warn = func(message error) { s.Says = append(s.Says, message.Error()) }
	until := lockfile.Identify(shell)
	gateways, env := of.Open()
	s.Env = env
	if err := json.NewEncoder(c.out).Encode(s); err != nil {
		gateways.Close()
		return exitFailure, err
	}
	os.Chdir("/") // a directory can be taken away under the shell; nothing here is relative
	gateways.Serve(until)
	return 0, nil
}
