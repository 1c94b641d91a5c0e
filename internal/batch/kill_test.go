package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"afteryou/internal/fakeapi"
)

const (
	many = 1000 // prompts
	some = 100
)

// world is a stand-in that fails in all ways, a state directory, prompts, and processes that are killed.
type world struct {
	*testing.T
	api         *fakeapi.Server
	root, input string
	said        bytes.Buffer

	mu      sync.Mutex
	running *exec.Cmd
}

// troubled is a stand-in's way: 5 % of the requests of the first two batches are overloaded and 2 % expire; the first submit
// is limited, the second is taken and its answer lost, the fourth lost before it is read; lists, looks and downloads break off.
func troubled(t *testing.T, fault func(fakeapi.BatchCall) fakeapi.Fault) fakeapi.Batches {
	return fakeapi.Batches{
		Polls: 2,
		Result: func(r fakeapi.BatchRequest) string {
			n := 0
			fmt.Sscanf(r.Beginning, "prompt %d", &n)
			switch {
			case r.Batch <= 2 && n%20 == 3:
				return "overloaded_error"
			case r.Batch <= 2 && n%50 == 7:
				return "expired"
			}
			return "succeeded"
		},
		Fault: func(c fakeapi.BatchCall) fakeapi.Fault {
			if fault != nil {
				if f := fault(c); f != (fakeapi.Fault{}) {
					return f
				}
			}
			switch {
			case c.What == "create" && c.Nth == 1 && !c.Done:
				return fakeapi.Fault{Status: 429}
			case c.What == "create" && c.Nth == 2 && c.Done, c.What == "create" && c.Nth == 4 && !c.Done,
				c.What == "list" && c.Nth == 3 && !c.Done, c.What == "retrieve" && c.Nth == 2 && c.Done:
				return fakeapi.Fault{Reset: true}
			case c.What == "results" && c.Nth == 2 && c.Done:
				return fakeapi.Fault{Half: true, Reset: true}
			case c.What == "results" && c.Nth == 3 && c.Done:
				return fakeapi.Fault{Half: true}
			}
			return fakeapi.Fault{}
		},
	}
}

func newWorld(t *testing.T, n int, b fakeapi.Batches) *world {
	t.Helper()
	api, err := fakeapi.Start(fakeapi.Config{Batches: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	dir := t.TempDir()
	w := &world{T: t, api: api, root: filepath.Join(dir, "batches"), input: filepath.Join(dir, "prompts.jsonl")}
	var b2 bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b2, "{\"custom_id\":\"id-%d\",\"prompt\":\"prompt %d\"}\n", i, i)
	}
	if err := os.WriteFile(w.input, b2.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// process runs or resumes until the process ends. It returns the exit code, -1 where it was killed.
func (w *world) process(kill string, args ...string) int {
	w.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{childEnv + "=1", "BATCH_TEST_KILL=" + kill, "BATCH_TEST_STEPS=" + filepath.Join(filepath.Dir(w.root), "steps"),
		"ANTHROPIC_API_KEY=sk-test", "ANTHROPIC_BASE_URL=" + w.api.URL(), "HOME=" + filepath.Dir(w.root)}
	w.said.Reset()
	cmd.Stderr = &w.said
	w.mu.Lock()
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.running = cmd
	w.mu.Unlock()
	cmd.Wait() // what it ended with is asked below
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGKILL {
		if err := w.api.Quiet(w.Context()); err != nil { // what it sent is done
			w.Fatal(err)
		}
		return -1
	}
	return cmd.ProcessState.ExitCode()
}

// kill ends the process that runs.
func (w *world) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running.Process.Kill() // one that ended already needs it no more
}

func (w *world) out() string { return filepath.Join(filepath.Dir(w.root), "results.jsonl") }

// toTheEnd begins a batch and resumes it until no process is killed any more. kills are for one process after the other; it
// returns how many were killed.
func (w *world) toTheEnd(kills ...string) (killed int) {
	w.Helper()
	for i := 0; ; i++ {
		kill := ""
		if i < len(kills) {
			kill = kills[i]
		}
		args := []string{"run", w.root, w.input, w.out()}
		list, err := List(w.root)
		switch {
		case err != nil:
			w.Fatal(err)
		case len(list) > 1 || len(list) == 1 && list[0].Running:
			w.Fatalf("there are %+v", list)
		case len(list) == 1:
			args = []string{"resume", w.root, list[0].ID, w.out()}
		case killed > 0 && w.whole():
			return killed // it was killed after it was done
		case len(w.api.BatchLog()) > 0:
			w.Fatal("nothing can be resumed, and a batch was submitted")
		}
		switch code := w.process(kill, args...); code {
		case -1:
			killed++
		case 0:
			return killed
		default:
			w.Fatalf("%q ends with %d: %s", args, code, w.said.String())
		}
		if i > 500 {
			w.Fatal("it does not come to an end")
		}
	}
}

func (w *world) whole() bool {
	data, err := os.ReadFile(w.out())
	return err == nil && bytes.Count(data, []byte("\n")) == w.prompts()
}

func (w *world) prompts() int {
	data, err := os.ReadFile(w.input)
	if err != nil {
		w.Fatal(err)
	}
	return bytes.Count(data, []byte("\n"))
}

// check checks the promises: each prompt has one result, its own, in its place; none is submitted again that was answered,
// or was under way; and nothing stays behind.
func (w *world) check() {
	w.Helper()
	data, err := os.ReadFile(w.out())
	if err != nil {
		w.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != w.prompts() {
		w.Fatalf("%d results for %d prompts", len(lines), w.prompts())
	}
	for i, l := range lines {
		var one struct {
			ID     string `json:"custom_id"`
			Result struct {
				Type    string
				Message struct{ Content []struct{ Text string } }
			}
		}
		if err := json.Unmarshal([]byte(l), &one); err != nil {
			w.Fatalf("result %d: %v: %s", i, err, l)
		}
		if c := one.Result.Message.Content; one.ID != fmt.Sprint("id-", i) || len(c) != 1 || c[0].Text != fmt.Sprint("answer to prompt ", i) {
			w.Fatalf("result %d is %s", i, l)
		}
	}
	w.once()
	if left, err := os.ReadDir(w.root); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name()[0] != '.' }) {
		w.Errorf("there are %v, %v", left, err)
	}
}

// once checks that no prompt is in a batch again that the API had answered, or was about to.
func (w *world) once() {
	w.Helper()
	result := troubled(w.T, nil).Result
	answered := make(map[string]int)
	for _, b := range w.api.BatchLog() {
		for _, r := range b.Requests {
			if was := answered[r.Beginning]; was > 0 {
				w.Fatalf("%q is in batch %d, and was in batch %d already, where it succeeded", r.Beginning, r.Batch, was)
			}
			if result(r) == "succeeded" {
				answered[r.Beginning] = r.Batch
			}
		}
	}
}

// steps are the names of all steps of a run, in their order.
func (w *world) steps() []string {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(w.root), "steps"))
	if err != nil {
		w.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// A run that meets every trouble goes through; killed at any step of that, it goes on as if nothing had been.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, many, troubled(t, nil))
	if code := w.process("", "run", w.root, w.input, w.out()); code != 0 {
		t.Fatalf("exit %d: %s", code, w.said.String())
	}
	w.check()
	if n := len(w.api.BatchLog()); n != 3 {
		t.Errorf("%d batches, want that of all and two of those that failed", n)
	}
	times := make(map[string]int)
	for _, s := range w.steps() {
		times[s]++
	}
	var points []string
	for s, n := range times {
		for _, nth := range slices.Compact([]int{1, (n + 1) / 2, n}) {
			points = append(points, fmt.Sprintf("%s/%d", s, nth))
		}
	}
	slices.Sort(points)
	var killed atomic.Int32
	t.Run("at", func(t *testing.T) {
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, many, troubled(t, nil))
				killed.Add(int32(w.toTheEnd(point)))
				w.check()
			})
		}
	})
	t.Logf("%d steps, of %d names; killed at %d of %d points", len(w.steps()), len(times), killed.Load(), len(points))
	if killed.Load() < 30 {
		t.Errorf("killed at %d points only", killed.Load())
	}
}

// A server that kills its client when a call arrives, or when it is done and not answered, sees nothing twice either.
func TestKilledAtEachCall(t *testing.T) {
	t.Parallel()
	var killed atomic.Int32
	t.Run("at", func(t *testing.T) {
		for seq := 1; seq <= 16; seq++ {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d, done %v", seq, done), func(t *testing.T) {
					t.Parallel()
					var w *world
					ready := make(chan struct{})
					w = newWorld(t, some, troubled(t, func(c fakeapi.BatchCall) fakeapi.Fault {
						<-ready
						if c.Seq != seq || c.Done != done {
							return fakeapi.Fault{}
						}
						w.kill()
						return fakeapi.Fault{Reset: true}
					}))
					close(ready)
					killed.Add(int32(w.toTheEnd()))
					w.check()
				})
			}
		}
	})
	t.Logf("killed at %d calls", killed.Load())
	if killed.Load() < 24 {
		t.Errorf("killed at %d calls only", killed.Load())
	}
}

// One process after the other is killed after a few steps, until the last comes to the end.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, some, troubled(t, nil))
	var kills []string
	for i := range 60 {
		kills = append(kills, fmt.Sprintf("any/%d", 1+i%13))
	}
	t.Logf("killed %d times", w.toTheEnd(kills...))
	w.check()
}
