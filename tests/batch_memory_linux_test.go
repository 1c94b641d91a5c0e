package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"afteryou/internal/fakeapi"
)

// 30,000 requests of 1 KB, in any order of results, take little more memory than 1,000.
func TestBatchTakesLittleMemory(t *testing.T) {
	t.Parallel()
	small, large := peakOfBatch(t, 1000), peakOfBatch(t, 30_000)
	t.Logf("at most %d MB for 1,000 requests, %d MB for 30,000", small>>10, large>>10)
	if large > small+40<<10 {
		t.Errorf("at most %d KB for 1,000 requests and %d KB for 30,000", small, large)
	}
}

// peakOfBatch runs so many requests, of which some expire once, checks the results, and returns how much memory the process
// had at most, in KB. It looks while results are left that do not fit into the pipe, so that the process still lives.
func peakOfBatch(t *testing.T, n int) (peak int) {
	t.Helper()
	var failed atomic.Int32
	var prompts strings.Builder
	for i := range n {
		fmt.Fprintf(&prompts, "{\"custom_id\":\"id-%d\",\"prompt\":\"%d %s\"}\n", i, i, strings.Repeat("x", 1000))
	}
	b := newBatcher(t, prompts.String(), fakeapi.Batches{Result: func(r fakeapi.BatchRequest) string {
		if r.Batch == 1 && strings.HasSuffix(r.CustomID, "77") {
			failed.Add(1)
			return "expired"
		}
		return "succeeded"
	}})
	cmd := b.command("run", "prompts.jsonl", "--yes", "--model=m", "--max-tokens=5")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); i++ {
		if want := fmt.Sprintf(`{"custom_id":"id-%d","result":{"message":{"content":[{"text":"answer to %d `, i, i); !strings.HasPrefix(lines.Text(), want) {
			t.Fatalf("result %d of %d is %s", i, n, lines.Text())
		}
		if i == n-700 {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			_, hwm, _ := strings.Cut(string(status), "VmHWM:")
			fmt.Sscan(hwm, &peak)
		}
	}
	if err := cmd.Wait(); err != nil || i != n || peak == 0 || failed.Load() == 0 {
		t.Fatalf("%v, %d results of %d, %d KB, %d failed: %s", err, i, n, peak, failed.Load(), &errs)
	}
	return peak
}
