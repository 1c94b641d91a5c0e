package partner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/lockfile"
)

// inSmallDisk is set where the test runs again, on a file system of its own, which is small.
const inSmallDisk = "AFTERYOU_TEST_DISK"

// 1. A request has its turn. 2. The disk is full. 3. Its answer can't be told, and others go without turns, at once. 4. There is
// room again: turns are taken, and what was to be given back is.
func TestAFullDiskHoldsNobody(t *testing.T) {
	if dir := os.Getenv(inSmallDisk); dir != "" {
		fullDisk(t, dir)
		return
	}
	t.Parallel()
	cmd := exec.Command("unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=64k none "$1" || exit 99; "$0" -test.run '^TestAFullDiskHoldsNobody$' -test.v`, os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), inSmallDisk+"="+cmd.Args[len(cmd.Args)-1])
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 99 || strings.Contains(string(out), "unshare:") {
		t.Skipf("not tested: a mount namespace is not permitted: %v: %s", err, out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T, dir string) {
	store, err := lockfile.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	s := standOn(t, store, oneByOne)
	first := request("1", "a")
	s.asks("ask", first)
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = fill.Write(make([]byte, 512))
	}
	s.answered(first, 200, nil)
	s.tell("used", words{"session": "a"})
	for _, id := range []string{"2", "3"} {
		begun := time.Now()
		s.asks("ask", request(id, "b"+id))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it is held for %v", took)
		}
		s.tell("gone", words{"id": id, "session": "b" + id})
	}
	if held, waiting := turns(t, store); held != 1 || waiting != 0 {
		t.Errorf("%d hold a turn and %d wait; want the first, of which nothing could be told", held, waiting)
	}
	fill.Close()
	if err := os.Remove(fill.Name()); err != nil {
		t.Fatal(err)
	}
	s.settles(0, 0)
	s.asks("ask", request("4", "c"))
	s.settles(1, 0)
}
