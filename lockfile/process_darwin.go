package lockfile

import (
	"errors"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// startTime says when the process started, in microseconds since the epoch, and whether it runs at all.
// 0, true: it runs, but there is no telling since when.
func startTime(pid int) (uint64, bool) {
	kp, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		// The kernel answers an unknown pid with an empty result, which SysctlKinfoProc reports as EIO.
		return 0, !errors.Is(err, unix.EIO) && !errors.Is(err, unix.ESRCH)
	}
	if kp.Proc.P_stat == zombie {
		return 0, false
	}
	t := kp.Proc.P_starttime
	return uint64(t.Sec)*1e6 + uint64(t.Usec), true
}

// host names the machine since it was started; it has one pid namespace.
func host() (machine, namespace string) {
	machine, _ = unix.Sysctl("kern.bootsessionuuid") // without it nobody can be told apart
	return machine, ""
}
