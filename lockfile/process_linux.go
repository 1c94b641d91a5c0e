package lockfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// startTime says when the process started, in clock ticks since boot (field 22 of proc(5)'s stat), and whether it
// runs at all. 0, true: it runs, but there is no telling since when.
func startTime(pid int) (uint64, bool) {
	if !ours() {
		err := syscall.Kill(pid, 0)
		return 0, !errors.Is(err, syscall.ESRCH)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, !errors.Is(err, fs.ErrNotExist)
	}
	// Field 2, the command in parentheses, may hold spaces and parentheses itself: count from the last one.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, true
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, false
	}
	start, _ := strconv.ParseUint(string(fields[19]), 10, 64) // 0 where it is no number: unknown
	return start, true
}

// ours says whether /proc tells of this process's pid namespace. It may be missing, or that of another namespace
// (unshare -pf without --mount-proc), where our pids are others' processes.
var ours = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

// host names the machine since it was started, and the pid namespace.
func host() (machine, namespace string) {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without /proc nobody can be told apart
	namespace, _ = os.Readlink("/proc/self/ns/pid")
	return string(id), namespace
}
