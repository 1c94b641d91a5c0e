package doctor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Managed is where an organization puts its settings for Claude Code (its documentation).
const Managed = "/etc/claude-code/managed-settings.json"

// Running lists the programs of the user's that run.
func Running() ([]Program, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []Program
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", d.Name())
		fi, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // ended meanwhile, as may happen at each step below
		}
		if err != nil {
			return nil, err
		}
		if s, ok := fi.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != os.Getuid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(string(fields[1])) // 0: none
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		p := Program{PID: pid, Parent: parent, Args: strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), Exe: exe}
		environ, _ := os.ReadFile(filepath.Join(dir, "environ")) // none: not to be told
		p.Dir, _ = os.Readlink(filepath.Join(dir, "cwd"))
		p.Getenv = func(name string) string {
			for e := range strings.SplitSeq(string(environ), "\x00") {
				if value, ok := strings.CutPrefix(e, name+"="); ok {
					return value
				}
			}
			return ""
		}
		for e := range strings.SplitSeq(string(environ), "\x00") {
			if value, ok := strings.CutPrefix(e, "HOME="); ok {
				p.Home = value
			}
			if value, ok := strings.CutPrefix(e, "XDG_STATE_HOME="); ok {
				p.StateHome = value
			}
		}
		all = append(all, p)
	}
	return all, nil
}
