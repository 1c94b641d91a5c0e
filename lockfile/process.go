package lockfile

import (
	"os"

	"afteryou/turn"
)

// Self names the process that runs this.
func Self() turn.Process { return Identify(os.Getpid()) }

// Identify names the process that has the pid now. Where its start time can't be read, the pid stands alone.
func Identify(pid int) turn.Process {
	start, _ := startTime(pid) // 0 is "unknown", and Alive takes it so
	return turn.Process{PID: pid, Start: start}
}

// Alive says whether p still runs. A zombie does not: it does nothing any more. A process that can't be looked at, or
// whose start time was unknown, counts as alive while its pid is taken, so that nobody loses a turn to a doubt.
func Alive(p turn.Process) bool {
	if p.PID <= 0 {
		return false
	}
	start, ok := startTime(p.PID)
	return ok && (p.Start == 0 || start == 0 || start == p.Start)
}
