package wrapper

import "syscall"

// dieWithUs is for Linux alone: here a program whose launcher was killed goes on without it.
func dieWithUs() *syscall.SysProcAttr { return nil }
