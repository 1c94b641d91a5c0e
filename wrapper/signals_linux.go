package wrapper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setDefault has the kernel do with the signal what it does to a program that never asked for anything else. A struct
// sigaction of zeros says that, on every architecture.
func setDefault(sig syscall.Signal) {
	var action [64]byte
	const set = (lastSignal + 7) / 8
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, set, 0, 0) // SIGKILL needs none
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)                                                                // the core that matters is the program's
}
