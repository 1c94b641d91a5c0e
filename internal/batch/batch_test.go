package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// in begins a run in this process.
func (w *world) in(t *testing.T, who Account) (*Run, *API) {
	t.Helper()
	f, err := os.Open(w.input)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Check(f, "p", w.root, Defaults{Model: "m", MaxTokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Begin(who)
	if err != nil {
		t.Fatal(err)
	}
	r.Pace = quick
	r.Say = func(text string) { t.Log(text) }
	t.Cleanup(r.Close)
	return r, w.asks(t)
}

func (w *world) asks(t *testing.T) *API {
	t.Helper()
	env := map[string]string{"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": w.api.URL()}
	api, err := NewAPI(func(name string) string { return env[name] }, "test")
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// Somebody else submits as many requests in the very moment: that batch is waited for, and known to be another's in the end.
func TestABatchOfOthersIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("and ours was taken %v", taken), func(t *testing.T) {
			t.Parallel()
			var w *world
			var once atomic.Bool
			w = newWorld(t, 3, fakeapi.Batches{Polls: 2, Fault: func(c fakeapi.BatchCall) fakeapi.Fault {
				if c.What != "create" || c.Done != taken || !once.CompareAndSwap(false, true) {
					return fakeapi.Fault{}
				}
				var list []string
				for i := range 3 {
					list = append(list, fmt.Sprintf(`{"custom_id":"x%d","params":{"messages":[{"content":"other %d"}]}}`, i, i))
				}
				resp, err := http.Post(w.api.URL()+"/v1/messages/batches", "application/json", strings.NewReader(`{"requests":[`+strings.Join(list, ",")+`]}`))
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("the other's: %v, %v", resp, err)
				}
				return fakeapi.Fault{Reset: true}
			}})
			r, api := w.in(t, Account{})
			out, err := os.Create(w.out())
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			sum, err := r.Do(t.Context(), api, out)
			if err != nil || sum.Succeeded != 3 {
				t.Fatalf("%+v, %v", sum, err)
			}
			if err := r.Finish(); err != nil {
				t.Fatal(err)
			}
			w.check()
			if n := len(w.api.BatchLog()); n != 2 {
				t.Errorf("%d batches, want the other's and ours", n)
			}
		})
	}
}

// What can't be tried again is put out as it is; what may pass is tried four times, and no more.
func TestErrorsThatLast(t *testing.T) {
	t.Parallel()
	fates := []string{"succeeded", "invalid_request_error", "overloaded_error", "not_found_error", "rate_limit_error", "api_error", "expired", "billing_error"}
	w := newWorld(t, len(fates), fakeapi.Batches{Result: func(r fakeapi.BatchRequest) string {
		n := 0
		fmt.Sscanf(r.Beginning, "prompt %d", &n)
		return fates[n]
	}})
	r, api := w.in(t, Account{})
	var out bytes.Buffer
	sum, err := r.Do(t.Context(), api, &out)
	if want := (Summary{8, 1, 6, 1, 0}); err != nil || sum != want {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
	var sizes []int
	for _, b := range w.api.BatchLog() {
		sizes = append(sizes, len(b.Requests))
	}
	if want := []int{8, 4, 4, 4}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("batches of %d, want %d", sizes, want)
	}
	for i, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var one result
		if err := json.Unmarshal([]byte(l), &one); err != nil || one.CustomID != fmt.Sprint("id-", i) || one.Result.Type != fates[i] && one.Result.Error.Error.Type != fates[i] {
			t.Errorf("result %d is %s", i, l)
		}
	}
}

// A batch takes 100,000 requests and 256 MB, and the next takes the rest.
func TestRequestsAreCut(t *testing.T) {
	t.Parallel()
	p := &prompts{}
	for i := range 250_000 {
		p.ends = append(p.ends, int64(i+1)*100)
	}
	r := &Run{prompts: p, lines: make([]line, len(p.ends))}
	if lines := r.cut(); len(lines) != 100_000 || lines[99_999] != 99_999 {
		t.Errorf("a batch of %d requests", len(lines))
	}
	r.mark(&part{intent: intent{Lines: r.cut()}}, out)
	if lines := r.cut(); len(lines) != 100_000 || lines[0] != 100_000 {
		t.Errorf("a batch of %d requests from %d on", len(lines), lines[0])
	}
	p.ends = []int64{100e6, 200e6, 300e6, 600e6}
	r.lines = make([]line, 4)
	if lines := r.cut(); len(lines) != 2 {
		t.Errorf("of 100 MB each, %d are a batch", len(lines))
	}
	r.lines[0].state, r.lines[1].state, r.lines[2].state = out, out, out
	if lines := r.cut(); len(lines) != 1 { // the API refuses it, and says why
		t.Errorf("of what is too large alone, %d are a batch", len(lines))
	}
}

// A line that a crash left torn counts as not written, and the next one does not stand behind it.
func TestATornJournalGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, fakeapi.Batches{})
	r, api := w.in(t, Account{})
	r.Close()
	path := filepath.Join(w.root, r.ID, journalName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"intent":{"part":0,"li`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(w.root, r.ID, Account{}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Pace = quick
	if sum, err := r.Do(t.Context(), api, new(bytes.Buffer)); err != nil || sum.Succeeded != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(now, append(whole, `{"intent":{"part":0,"lines":[[0,2]]`...)) {
		t.Errorf("the journal is %s, %v", now, err)
	}
}

// One process at a time has a run; with another key nobody can tell whether a batch was taken; elsewhere nothing is known of it.
func TestWhoMayResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, fakeapi.Batches{})
	r, api := w.in(t, Account{"here", "secret"})
	if _, err := Open(w.root, r.ID, Account{"here", "secret"}); err == nil || !strings.Contains(err.Error(), "is being run: another process has it") {
		t.Errorf("a second one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.step = func(string) {}
	if _, err := r.Do(ctx, api, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := r.journal.append("an intent", event{Intent: &intent{Lines: ranges{0, 1, 2}, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for who, want := range map[Account]string{
		{"there", "secret"}: "it was begun with here, and this is there",
		{"here", "other"}:   "only the same one can tell",
		{"here", "secret"}:  "",
	} {
		r, err := Open(w.root, r.ID, who)
		if err == nil {
			r.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", who, err, want)
		}
	}
	for _, id := range []string{"../batches", ".x", "", "nosuch"} {
		if _, err := Open(w.root, id, Account{}); err == nil || !strings.Contains(err.Error(), "there is no batch") {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// What is canceled has its results too, and nothing more of it is submitted.
func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, fakeapi.Batches{Polls: 1 << 30})
	r, api := w.in(t, Account{})
	ctx, stop := context.WithCancel(t.Context())
	r.Show = func(string) { stop() } // it waits
	if _, err := r.Do(ctx, api, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	r.Close()
	if n, err := Cancel(t.Context(), api, w.root, r.ID); n != 1 || err != nil || !w.api.BatchLog()[0].Canceled {
		t.Errorf("cancel: %d, %v, %+v", n, err, w.api.BatchLog())
	}
	if list, err := List(w.root); err != nil || len(list) != 1 || !list[0].Canceled || list[0].Running || list[0].Requests != 3 || len(list[0].Batches) != 1 {
		t.Errorf("list: %+v, %v", list, err)
	}
	r, err := Open(w.root, r.ID, Account{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Pace = quick
	var out bytes.Buffer
	if sum, err := r.Do(t.Context(), api, &out); err != nil || sum.Canceled != 3 || strings.Count(out.String(), `{"type":"canceled"}`) != 3 {
		t.Errorf("%+v, %v: %s", sum, err, &out)
	}

	// Before anything was submitted, too.
	r, api = w.in(t, Account{})
	if n, err := Cancel(t.Context(), api, w.root, r.ID); n != 0 || err != nil {
		t.Errorf("cancel: %d, %v", n, err)
	}
	if sum, err := r.Do(t.Context(), api, &out); err != nil || sum.Canceled != 3 || len(w.api.BatchLog()) != 1 {
		t.Errorf("%+v, %v, %d batches", sum, err, len(w.api.BatchLog()))
	}
}

// A wrong key and what the API refuses end the run at once; nothing but the same run is left to resume.
func TestWhatTheAPIRefuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		401: "the API answers 401 Unauthorized: invalid x-api-key",
		400: "submitting 3 requests: the API answers 400 Bad Request: model: no-such-model",
		413: "submitting 3 requests: the API answers 413 Request Entity Too Large: too large",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var healed atomic.Bool
			w := newWorld(t, 3, fakeapi.Batches{Fault: func(c fakeapi.BatchCall) fakeapi.Fault {
				switch {
				case healed.Load() || c.What == "list" && status != 401:
					return fakeapi.Fault{}
				}
				return fakeapi.Fault{Status: status, Message: map[int]string{401: "invalid x-api-key", 400: "model: no-such-model", 413: "too large"}[status]}
			}})
			r, api := w.in(t, Account{})
			if _, err := r.Do(t.Context(), api, new(bytes.Buffer)); err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
			healed.Store(true)
			if sum, err := r.Do(t.Context(), api, new(bytes.Buffer)); err != nil || sum.Succeeded != 3 || len(w.api.BatchLog()) != 1 {
				t.Errorf("%+v, %v", sum, err)
			}
		})
	}
}

// What dead processes left is removed after a minute, and a run after as long as the API keeps results; what lives stays.
func TestWhatIsLeftIsSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, fakeapi.Batches{})
	live, _ := w.in(t, Account{})
	dead, _ := w.in(t, Account{})
	dead.Close()
	left, err := Check(strings.NewReader(`{"prompt":"x"}`), "p", w.root, Defaults{Model: "m", MaxTokens: 1})
	if err != nil {
		t.Fatal(err)
	}
	there := func(now time.Time, want int) {
		t.Helper()
		sweep(w.root, now)
		list, err := os.ReadDir(w.root)
		// A process that another test starts keeps what is open here for a moment, and the locks with it.
		for deadline := time.Now().Add(10 * time.Second); len(list) > want && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			sweep(w.root, now)
			list, err = os.ReadDir(w.root)
		}
		if err != nil || len(list) != want {
			t.Errorf("there are %v, %v; want %d", list, err, want)
		}
	}
	now := time.Now()
	there(now, 3)
	there(now.Add(2*time.Hour), 3) // its process lives
	left.file.Close()
	there(now.Add(2*time.Hour), 2)
	there(now.Add(30*24*time.Hour), 1)
	if _, err := os.Stat(filepath.Join(w.root, live.ID)); err != nil {
		t.Error(err)
	}
}

// Only the person can read what is kept.
func TestWhatIsKeptIsPrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, fakeapi.Batches{})
	r, api := w.in(t, Account{"somebody", "sk-secret"})
	if _, err := r.Do(t.Context(), api, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.Walk(w.root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		} else if data, err := os.ReadFile(path); err != nil || bytes.Contains(data, []byte("sk-")) {
			t.Errorf("%s holds a key, or %v", path, err)
		}
		if files++; info.Mode().Perm() != want {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files != 5 {
		t.Errorf("%d files, %v", files, err)
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(w.root); err != nil || len(left) > 0 {
		t.Errorf("a finished run leaves %v, %v", left, err)
	}
}

// A submit that is limited is made again when the API says, not sooner.
func TestASubmitWaitsForRetryAfter(t *testing.T) {
	t.Parallel()
	var refused time.Time
	w := newWorld(t, 3, fakeapi.Batches{Fault: func(c fakeapi.BatchCall) fakeapi.Fault {
		if c.What != "create" || c.Nth > 1 {
			return fakeapi.Fault{}
		}
		refused = time.Now()
		return fakeapi.Fault{Status: 429, RetryAfter: time.Second}
	}})
	r, api := w.in(t, Account{})
	if sum, err := r.Do(t.Context(), api, new(bytes.Buffer)); err != nil || sum.Succeeded != 3 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if b := w.api.BatchLog(); len(b) != 1 || b[0].Created.Sub(refused) < time.Second {
		t.Errorf("%d batches, the first %v after the refusal", len(b), b[0].Created.Sub(refused))
	}
}

// However many batches others made since a mark, all of them are seen, and none from before it.
func TestALongListIsReadToTheMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, fakeapi.Batches{})
	api := w.asks(t)
	const body = `{"requests":[{"custom_id":"x","params":{}}]}`
	var ids []string
	for range 230 {
		r, err := api.create(t.Context(), strings.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	newest, err := api.newest(t.Context())
	if err != nil || newest.ID != ids[229] {
		t.Errorf("the newest is %s, %v", newest.ID, err)
	}
	for mark, want := range map[Mark]int{{}: 230, {ID: ids[9]}: 220, {ID: ids[229]}: 0, {ID: "gone", CreatedAt: newest.CreatedAt}: 1} {
		if list, err := api.since(t.Context(), mark); err != nil || len(list) != want {
			t.Errorf("since %+v there are %d, %v; want %d", mark, len(list), err, want)
		}
	}
}
