package lockfile

import (
	"fmt"
	"hash/fnv"
	"os"
	"sync"

	"afteryou/internal/turn"
)

// Self names the process that runs this.
func Self() turn.Process { return Identify(os.Getpid()) }

// Identify names the process that has the pid now. Where its start time can't be read, the pid stands alone.
func Identify(pid int) turn.Process {
	start, _ := startTime(pid) // 0 is "unknown", and Alive takes it so
	return turn.Process{PID: pid, Start: start, Host: here()}
}

// Alive says whether p still runs. A zombie does not: it does nothing any more. A process that can't be looked at, because
// it is another host's too, or whose start time was unknown, counts as alive, so that nobody loses a turn to a doubt. One
// of before the machine was started anew can't be told from another machine's.
func Alive(p turn.Process) bool {
	if p.PID <= 0 {
		return false
	}
	if p.Host != "" && p.Host != here() {
		return true
	}
	start, ok := startTime(p.PID)
	return ok && (p.Start == 0 || start == 0 || start == p.Start)
}

// here is the host of this process.
var here = sync.OnceValue(func() turn.Host {
	machine, namespace := host()
	short := func(id string) string {
		h := fnv.New32a()
		h.Write([]byte(id))
		return fmt.Sprintf("%08x", h.Sum32())
	}
	return turn.Host(short(machine) + "/" + short(namespace))
})
