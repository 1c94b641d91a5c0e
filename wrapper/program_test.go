package wrapper

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A role is what this binary can be. Descriptor 3, where a test gave one, is the way to it past the terminal.
func role(name string) (run func(args []string) int, ok bool) {
	run, ok = map[string]func([]string) int{
		"wrap":     wrapRole,
		"watch":    watchRole,
		"type":     typeRole,
		"panic":    panicRole,
		"throw":    throwRole,
		"exits":    exitsRole,
		"shell":    shellRole,
		"exec":     execRole,
		"child":    childRole,
		"flood":    floodRole,
		"raw":      rawRole,
		"rawecho":  rawEchoRole,
		"settings": settingsRole,
		"size":     sizeRole,
		"signals":  signalsRole,
		"hangup":   hangUpRole,
		"blocked":  blockedRole,
		"stops":    stopsRole,
	}[name]
	return run, ok
}

func side(format string, args ...any) {
	fmt.Fprintf(os.NewFile(3, "side"), format+"\n", args...)
}

func sum(p []byte) []byte {
	h := sha256.Sum256(p)
	return h[:]
}

// wrapRole is what main does.
func wrapRole(args []string) int {
	status, err := Run(command(args), Options{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	return report(status, err)
}

func report(status Status, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	status.Die()
	return status.ExitCode()
}

// watchRole says past the terminal what the copies held.
func watchRole(args []string) int {
	var out, keys bytes.Buffer
	lost := 0
	slow := args[0] == "slow"
	gate := make(chan struct{})
	o := Options{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	o.Watch = func(p []byte) {
		if slow {
			<-gate
		}
		if p == nil {
			lost++
		}
		out.Write(p)
	}
	o.Keys = func(p []byte) { keys.Write(p) }
	s, err := Start(command(args[1:]), o)
	if err != nil {
		return report(Status{}, err)
	}
	if slow {
		// The watcher takes nothing until the program has ended, and with it all output: it must be shown all the same.
		go func() {
			<-s.outputDone
			close(gate)
		}()
	}
	status, err := s.Wait()
	side("%d %d %x %x", lost, out.Len(), sum(out.Bytes()), keys.Bytes())
	return report(status, err)
}

func typeRole(args []string) int {
	s, err := Start(command(args[1:]), Options{In: os.Stdin, Out: os.Stdout})
	if err != nil {
		return report(Status{}, err)
	}
	side("pid %d", s.PID())
	err = s.Type(args[0])
	side("typed %v", err)
	status, werr := s.Wait()
	err = s.Type("more")
	side("typed %v", err)
	return report(status, werr)
}

// panicRole has readers that panic, and says past the terminal what is told of that.
func panicRole(args []string) int {
	falls := func(p []byte) { panic(fmt.Sprintf("fell over %q", p)) }
	return report(Run(command(args), Options{In: os.Stdin, Out: os.Stdout, Watch: falls, Keys: falls, Failed: func(text string) { side("%s", text) }}))
}

// throwRole dies of what no recover catches, once the program shows something.
func throwRole(args []string) int {
	var deeper func(n int) int
	deeper = func(n int) int { return deeper(n+1) + 1 }
	return report(Run(command(args), Options{In: os.Stdin, Out: os.Stdout, Watch: func([]byte) { debug.SetMaxStack(1 << 20); deeper(0) }}))
}

// exitsRole wraps one program after the other.
func exitsRole([]string) int {
	before := 0
	for code := range 256 {
		status, err := Run(command([]string{"sh", "-c", "exit " + strconv.Itoa(code)}), Options{In: os.Stdin, Out: os.Stdout})
		if want := (Status{Code: code}); err != nil || status != want || status.ExitCode() != code {
			side("exit %d: got %+v, %v", code, status, err)
		}
		if code == 0 {
			before = openDescriptors() // with what the runtime opened once and for all
		}
	}
	if after := openDescriptors(); after != before {
		side("%d descriptors open, %d before", after, before)
	}
	side("done")
	return 0
}

// shellRole is the shell of a session: it starts its arguments as a job and does what it is told on descriptor 4.
func shellRole(args []string) int {
	unix.CloseOnExec(4)
	job := exec.Command(args[1], args[2:]...)
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.Stdout, os.Stderr
	job.ExtraFiles = []*os.File{os.NewFile(3, "side")}
	job.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: args[0] == "fg", Ctty: 0}
	if err := job.Start(); err != nil {
		panic(err)
	}
	pid := job.Process.Pid
	// To take the terminal back from the background. Only now: the job must not inherit it.
	signal.Ignore(syscall.SIGTTOU)
	orders := bufio.NewScanner(os.NewFile(4, "orders"))
	for orders.Scan() {
		var n int
		what, how, _ := strings.Cut(orders.Text(), " ")
		n, _ = strconv.Atoi(how)
		switch what {
		case "wait": // until the job stops or ends; then the terminal is ours
			var ws syscall.WaitStatus
			for {
				if _, err := syscall.Wait4(pid, &ws, syscall.WUNTRACED, nil); err != syscall.EINTR {
					break
				}
			}
			_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp())
			if ws.Stopped() {
				side("stopped %d", ws.StopSignal())
			} else if ws.Signaled() {
				side("died %d", ws.Signal())
			} else {
				side("ended %d", ws.ExitStatus())
			}
		case "read": // a command line
			buf := make([]byte, 100)
			n, err := os.Stdin.Read(buf)
			side("shell read %q %v", buf[:n], err)
		case "terminal": // give it to the job, without a word to it
			side("terminal %v", unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, pid))
		case "continue":
			_ = syscall.Kill(-pid, syscall.SIGCONT) // what comes of it the job says
		case "signal":
			side("signal %v", syscall.Kill(pid, syscall.Signal(n)))
		}
	}
	return 0
}

func openDescriptors() int {
	n := 0
	for fd := range 100 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

func execRole(args []string) int {
	fmt.Fprintln(os.Stderr, Exec(command(args)))
	return 98
}

func childRole(args []string) int {
	return report(Child(command(args), os.Stdin, os.Stdout, os.Stderr))
}

func random(size int) []byte {
	p := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(p)
	return p
}

// floodRole prints a number of random bytes, of all values, and ends at once.
func floodRole(args []string) int {
	if _, err := term.MakeRaw(0); err != nil {
		panic(err)
	}
	size, _ := strconv.Atoi(args[0])
	if _, err := os.Stdout.Write(random(size)); err != nil {
		panic(err)
	}
	return 0
}

// rawRole reads a number of bytes in raw mode and says past the terminal which.
func rawRole(args []string) int {
	if _, err := term.MakeRaw(0); err != nil {
		panic(err)
	}
	size, _ := strconv.Atoi(args[0])
	fmt.Print("ready")
	p := make([]byte, size)
	_, err := io.ReadFull(os.Stdin, p)
	if err != nil {
		panic(err)
	}
	side("%x", sum(p))
	return 0
}

// rawEchoRole prints every byte typed until Q.
func rawEchoRole([]string) int {
	if _, err := term.MakeRaw(0); err != nil {
		panic(err)
	}
	fmt.Print("ready")
	buf := make([]byte, 4096)
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil {
			return 1
		}
		if buf[0] == 'Q' {
			return 0
		}
		_, _ = os.Stdout.Write(buf[:n])
	}
}

// settingsRole says which settings it found, and that descriptor 0 blocks, and leaves the terminal dirty.
func settingsRole([]string) int {
	t, err := getTermios(0)
	flags, _ := unix.FcntlInt(0, unix.F_GETFL, 0)
	side("%+v %v nonblock %v", t, err, flags&unix.O_NONBLOCK != 0)
	_, err = term.MakeRaw(0)
	if err != nil {
		panic(err)
	}
	return 0
}

// sizeRole says the size at its start and after each SIGWINCH until it is 7 rows high.
func sizeRole([]string) int {
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	for {
		w, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
		if err != nil {
			panic(err)
		}
		side("%d %d %d %d", w.Row, w.Col, w.Xpixel, w.Ypixel)
		if w.Row == 7 {
			return 0
		}
		<-winch
	}
}

// signalsRole says which signals it gets, until SIGTERM.
func signalsRole([]string) int {
	c := make(chan os.Signal, 64)
	signal.Notify(c)
	signal.Reset(syscall.SIGURG) // preemption
	side("ready %d %d", syscall.Getppid(), syscall.Getpid())
	for sig := range c {
		if sig == syscall.SIGURG {
			continue
		}
		side("%d", sig)
		if sig == syscall.SIGTERM {
			return 0
		}
	}
	return 1
}

// hangUpRole says what comes of a hang-up: the signal, and the end of its input.
func hangUpRole([]string) int {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	fmt.Print("ready")
	side("%v", <-hup)
	_, err := os.Stdin.Read(make([]byte, 1))
	side("%v", err != nil)
	return 23
}

// blockedRole prints more than any terminal holds, and says meanwhile what is typed.
func blockedRole([]string) int {
	if _, err := term.MakeRaw(0); err != nil {
		panic(err)
	}
	side("ready")
	go func() {
		keys := bufio.NewReader(os.Stdin)
		for {
			b, err := keys.ReadByte()
			if err != nil {
				return
			}
			side("%q", b)
		}
	}()
	_, err := os.Stdout.Write(bytes.Repeat([]byte{'x'}, 1<<20))
	side("printed %v", err)
	return 0
}

// stopsRole says what happens to it, stops itself as it is told, and ends at a line that says so.
func stopsRole(args []string) int {
	cont := make(chan os.Signal, 1)
	signal.Notify(cont, syscall.SIGCONT)
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	lines := bufio.NewScanner(os.Stdin)
	for _, arg := range args {
		what, how, _ := strings.Cut(arg, "=")
		n, _ := strconv.Atoi(how)
		switch what {
		case "print":
			fmt.Print(how)
		case "say":
			side("%s", how)
		case "kill": // itself
			_ = syscall.Kill(syscall.Getpid(), syscall.Signal(n))
		case "killgroup":
			_ = syscall.Kill(0, syscall.Signal(n))
		case "cont": // wait for it
			<-cont
			side("continued")
		case "usr1": // wait for it
			<-usr1
		case "raw":
			if _, err := term.MakeRaw(0); err != nil {
				side("raw: %v", err)
			}
		case "pid":
			side("%d", syscall.Getpid())
		case "line":
			lines.Scan()
			side("line %s", lines.Text())
		case "key":
			b := make([]byte, 1)
			_, err := os.Stdin.Read(b)
			side("key %s %v", hex.EncodeToString(b), err)
		case "size":
			w, _ := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
			side("size %d", w.Row)
		}
	}
	return 5
}
