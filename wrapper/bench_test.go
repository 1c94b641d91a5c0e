package wrapper

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each benchmark measures the same program on a bare pty, behind us, and behind script(1), in turns, so that whatever else
// the machine does hits all three.
var ways = []string{"direct", "wrapped", "script"}

// open starts a program in one of the ways, with nobody reading yet. Its far end is the result.
func open(b *testing.B, way string, argv []string) *screen {
	b.Helper()
	s := newScreen(b)
	switch way {
	case "direct":
	case "wrapped":
		argv = as("wrap", argv...)
	case "script":
		argv = script(argv)
	}
	s.start(argv)
	// Reads that block cost less than the Go runtime's polling, which would be part of what is measured.
	if err := unix.SetNonblock(s.fd(), false); err != nil {
		b.Fatal(err)
	}
	return s
}

// far is a screen's far end, without the runtime's poller.
type far int

func (f far) Read(p []byte) (int, error) { return unix.Read(int(f), p) }

func (f far) Write(p []byte) (int, error) { return unix.Write(int(f), p) }

// measured are the ways that can be measured here.
func measured(b *testing.B) []string {
	if _, err := exec.LookPath("script"); err != nil {
		b.Logf("script is not installed: measured without it")
		return ways[:2]
	}
	return ways
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

func BenchmarkThroughput(b *testing.B) {
	const size = 16 << 20
	took := map[string][]time.Duration{}
	want := random(size)
	got := make([]byte, size)
	for b.Loop() {
		for _, way := range measured(b) {
			s := open(b, way, as("flood", fmt.Sprint(size)))
			// From the first byte: how long the start takes is another question.
			if _, err := io.ReadFull(far(s.fd()), got[:1]); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if _, err := io.ReadFull(far(s.fd()), got[1:]); err != nil {
				b.Fatal(way, err)
			}
			took[way] = append(took[way], time.Since(start))
			if !bytes.Equal(got, want) {
				b.Fatalf("%s: got other bytes", way)
			}
			s.exit()
		}
	}
	b.ReportMetric(0, "ns/op") // of all three: says nothing
	for _, way := range measured(b) {
		b.ReportMetric(size/1e6/(median(took[way])/1e9), way+"-MB/s")
		if way != "wrapped" {
			b.ReportMetric(median(took[way])/median(took["wrapped"]), "wrapped/"+way)
		}
	}
}

func BenchmarkKeyRoundTrip(b *testing.B) {
	screens := map[string]*screen{}
	for _, way := range measured(b) {
		s := open(b, way, as("rawecho"))
		if _, err := io.ReadFull(far(s.fd()), make([]byte, len("ready"))); err != nil {
			b.Fatal(err)
		}
		screens[way] = s
	}
	took := map[string][]time.Duration{}
	key := []byte("k")
	for b.Loop() {
		for _, way := range measured(b) {
			s := screens[way]
			start := time.Now()
			if _, err := far(s.fd()).Write(key); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(far(s.fd()), key); err != nil || key[0] != 'k' {
				b.Fatal(way, key, err)
			}
			took[way] = append(took[way], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, way := range measured(b) {
		b.ReportMetric(median(took[way])/1e3, way+"-µs")
		if way != "wrapped" {
			b.ReportMetric(median(took["wrapped"])/median(took[way]), "wrapped/"+way)
		}
		b.ReportMetric(float64(took[way][len(took[way])*99/100])/1e3, way+"-p99-µs")
	}
	for _, s := range screens {
		if _, err := far(s.fd()).Write([]byte("Q")); err != nil {
			b.Fatal(err)
		}
		s.exit()
	}
}

// BenchmarkStart is how much later than directly a program's first byte comes.
func BenchmarkStart(b *testing.B) {
	took := map[string][]time.Duration{}
	for b.Loop() {
		for _, way := range measured(b) {
			start := time.Now()
			s := open(b, way, []string{"sh", "-c", "echo x"})
			if _, err := io.ReadFull(far(s.fd()), make([]byte, 1)); err != nil {
				b.Fatal(way, err)
			}
			took[way] = append(took[way], time.Since(start))
			_, _ = io.ReadFull(far(s.fd()), make([]byte, 100)) // ends with EIO
			s.exit()
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, way := range measured(b) {
		b.ReportMetric(median(took[way])/1e6, way+"-ms")
	}
}
