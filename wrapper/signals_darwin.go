package wrapper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setDefault has the kernel do with the signal what it does to a program that never asked for anything else. A struct
// sigaction of zeros says that.
func setDefault(sig syscall.Signal) {
	var action [64]byte
	_, _, _ = syscall.RawSyscall(syscall.SYS_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0) // SIGKILL needs none
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})                                                   // the core that matters is the program's
}
