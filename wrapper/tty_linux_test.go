package wrapper

import (
	"strings"

	"golang.org/x/sys/unix"
)

const bytesWaitingRequest = unix.TIOCINQ

// script is the command line of script(1), which puts a program behind a pty as we do.
func script(argv []string) []string {
	for i, arg := range argv {
		argv[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return []string{"script", "-q", "-e", "-c", "exec " + strings.Join(argv, " "), "/dev/null"}
}
