package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Managed is where an organization puts its settings for Claude Code (its documentation).
const Managed = "/Library/Application Support/ClaudeCode/managed-settings.json"

// Running lists the programs of the user's that run.
func Running() ([]Program, error) {
	out, err := exec.Command("/bin/ps", "-ww", "-U", strconv.Itoa(os.Getuid()), "-o", "pid=,ppid=,command=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var all []Program
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line) // arguments with spaces fall apart, which is good enough to tell a session
		if len(f) < 3 {
			continue
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil {
			continue
		}
		parent, _ := strconv.Atoi(f[1]) // 0: none
		all = append(all, Program{PID: pid, Parent: parent, Args: f[2:]})
	}
	return all, nil
}
