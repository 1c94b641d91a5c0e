package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"afteryou/lockfile"
)

const frameEvery = 500 * time.Millisecond

// watch shows the state until q, ^C or a signal, and leaves the terminal as it was.
func watch(store *lockfile.Store, in, out *os.File) (int, error) {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return exitFailure, errors.New("watching needs a terminal\nhint: afteryou status prints once")
	}
	// Before anything is changed: a signal in between must find its handler. It is not stopped: the process ends.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGWINCH)
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return exitFailure, fmt.Errorf("setting the terminal: %w", err)
	}
	defer term.Restore(int(in.Fd()), was)
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l")
	defer fmt.Fprint(out, "\x1b[?25h\x1b[?1049l")
	keys := keysOf(in)
	ticks := time.NewTicker(frameEvery)
	defer ticks.Stop()
	var s scene
	var shown []string
	var last int64
	for {
		state, err := snapshot(store)
		if err != nil {
			return exitFailure, err
		}
		now := time.Now()
		s.look(state, now, now.Unix() != last)
		last = now.Unix()
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil || width < 1 || height < 1 {
			width, height = 80, 24
		}
		if lines := s.frame(now, width, height); !slices.Equal(lines, shown) {
			draw(out, lines)
			shown = lines
		}
		select {
		case <-ticks.C:
		case k, ok := <-keys:
			if !ok || k == 'q' || k == 'Q' || k == 3 || k == 4 {
				return 0, nil
			}
		case sig := <-signals:
			if sig != syscall.SIGWINCH {
				return 128 + int(sig.(syscall.Signal)), nil
			}
			shown = nil // a terminal may have moved the lines
		}
	}
}

// keysOf gives each key that is pressed. Its goroutine is blocked in a read when the process ends.
func keysOf(in io.Reader) <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		buf := make([]byte, 64)
		for {
			n, err := in.Read(buf)
			if err != nil {
				return
			}
			for _, k := range buf[:n] {
				keys <- k
			}
		}
	}()
	return keys
}

// draw paints over what stands there, in one write, so that nothing is ever blank in between.
func draw(out io.Writer, lines []string) {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	io.WriteString(out, b.String()) // a terminal that is gone sends a signal
}
