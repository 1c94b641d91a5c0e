// Picture records a program in a terminal and draws what it showed as an animated SVG: make picture.
//
// What is drawn is what stood on the screen at regular moments, as text, without colours. The picture needs no script:
// where nothing moves (a still renderer, a reader who asked for no motion) it shows the last screen.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

	"afteryou/internal/terminal"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("picture", flag.ContinueOnError)
	out := flags.String("o", "", "write the picture to `FILE`")
	cols := flags.Int("cols", 80, "columns of the terminal")
	rows := flags.Int("rows", 24, "rows of the terminal")
	every := flags.Duration("every", time.Second, "time between two looks at the screen")
	speed := flags.Float64("speed", 1, "how many times faster than it happened the picture runs")
	title := flags.String("title", "", "what the picture shows, for those who cannot see it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() == 0 || *speed <= 0 || *every <= 0 {
		return errors.New("usage: picture -o FILE [flags] -- COMMAND ARGS…")
	}
	frames, err := record(*cols, *rows, *every, flags.Args())
	if err != nil {
		return err
	}
	f := film{cols: *cols, frames: frames, step: time.Duration(float64(*every) / *speed), title: *title}
	return os.WriteFile(*out, []byte(f.svg()), 0o644)
}

// record runs a command to its end in a terminal of that size and returns the screen as it stood every so often, and at
// the end.
func record(cols, rows int, every time.Duration, command []string) (frames []string, err error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	defer master.Close()
	var mu sync.Mutex
	screen := terminal.NewScreen(cols, rows)
	ended := make(chan error, 1)
	go func() { // until the program has ended and all it printed is read
		buf := make([]byte, 32<<10)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			screen.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				if errors.Is(err, syscall.EIO) || errors.Is(err, io.EOF) { // how a pty says that nobody has it open
					err = nil
				}
				ended <- errors.Join(err, cmd.Wait())
				return
			}
		}
	}()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	look := func() {
		mu.Lock()
		frames = append(frames, screen.Text())
		mu.Unlock()
	}
	for {
		select {
		case <-ticks.C:
			look()
		case err := <-ended:
			look()
			if err != nil {
				return nil, fmt.Errorf("running %s: %w\n%s", command[0], err, frames[len(frames)-1])
			}
			return frames, nil
		}
	}
}
