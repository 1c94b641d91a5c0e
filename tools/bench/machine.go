package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/realclaude"
)

// Machine says what was measured, and on what.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Memory    string `json:"memory"`
	System    string `json:"system"`
	Go        string `json:"go"`
	Node      string `json:"node"`
	Claude    string `json:"claude_code"`
	Commit    string `json:"commit"`
	Binary    string `json:"binary"` // of afteryou: what it hashes to, so that a commit of documents changes nothing
	Date      string `json:"date"`
}

// same reports whether results of both can stand in one table.
func (m Machine) same(other Machine) bool {
	m.Commit, m.Date = other.Commit, other.Date
	return m == other
}

func thisMachine(ctx context.Context, root, self, date string) (m Machine, err error) {
	m = Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Claude: realclaude.Version, Date: date}
	binary, err := os.ReadFile(self)
	if err != nil {
		return m, err
	}
	m.Binary = fmt.Sprintf("%x", sha256.Sum256(binary))[:12]
	m.Processor = field("/proc/cpuinfo", "model name")
	var kib float64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.Memory = fmt.Sprintf("%.0f GB", kib*1024/1e9)
	}
	for _, ask := range []struct {
		into    *string
		command []string
	}{
		{&m.System, []string{"uname", "-srm"}},
		{&m.Node, []string{"node", "--version"}},
		{&m.Commit, []string{"git", "-C", root, "describe", "--always", "--dirty"}},
	} {
		out, err := exec.CommandContext(ctx, ask.command[0], ask.command[1:]...).Output()
		if err != nil {
			return m, fmt.Errorf("%v: %w", ask.command, err)
		}
		*ask.into = strings.TrimSpace(string(out))
	}
	return m, nil
}

// field returns a value from a file of lines "name: value", or "" where there is no such file (macOS).
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// processors returns how long the machine's processors have been busy, and how long they have been there, in ticks; zeros
// where /proc does not tell (macOS).
func processors() (busy, all float64) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, f := range strings.Fields(line) {
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil || i > 8 {
			continue // its name, and what is counted twice (guests)
		}
		all += ticks
		if i != 4 && i != 5 { // idle, and waiting for a disk
			busy += ticks
		}
	}
	return busy, all
}

// crowded returns an error if others use the machine so much that a measurement now is not worth keeping.
func crowded(ctx context.Context) (share float64, yes bool) {
	busy, all := processors()
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
	busy2, all2 := processors()
	share = (busy2 - busy) / max(1, all2-all)
	return share, share > 0.2
}
