package realclaude

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Process is a row of ps. Its start keeps a pid that was used again from being taken for the old one.
type Process struct {
	pid, parent int
	start       string
}

func processes() (map[int]Process, error) {
	cmd := exec.Command("ps", "-A", "-o", "pid=,ppid=,lstart=")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %v", err)
	}
	all := map[int]Process{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		pid, err1 := strconv.Atoi(f[0])
		parent, err2 := strconv.Atoi(f[1])
		if err1 == nil && err2 == nil {
			all[pid] = Process{pid, parent, strings.Join(f[2:], " ")}
		}
	}
	return all, nil
}

// Family returns a process that we started and all that it started, as far as they still hang together.
func Family(root int) ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var list []Process
	if p, ok := all[root]; ok {
		list = append(list, p)
	}
	for i := 0; i < len(list); i++ {
		for _, p := range all {
			if p.parent == list[i].pid {
				list = append(list, p)
			}
		}
	}
	return list, nil
}

// killAll kills a process that we started and all that it started. A pid could be used again between ps and kill: the
// system would have to give out all its numbers within these milliseconds.
func killAll(root int) error {
	list, err := Family(root)
	syscall.Kill(root, syscall.SIGKILL) // gone already is as good
	Kill(list)
	return err
}

// Left returns those of the list that still are who they were.
func Left(list []Process) (left []Process, err error) {
	all, err := processes()
	for _, p := range list {
		if now, ok := all[p.pid]; ok && now.start == p.start {
			left = append(left, p)
		}
	}
	return left, err
}

// Kill kills those of the list that still are who they were. Where that can't be told it kills nothing that may be another's.
func Kill(list []Process) {
	left, _ := Left(list)
	for _, p := range left {
		syscall.Kill(p.pid, syscall.SIGKILL) // gone already is as good
	}
}
