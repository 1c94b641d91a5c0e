package line

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

func open(t testing.TB) *lockfile.Store {
	t.Helper()
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// crowd makes n sessions wait in one line behind one that has the only turn.
func crowd(t testing.TB, store *lockfile.Store, n int) (account string, place func(i int) *Place) {
	t.Helper()
	self := lockfile.Self()
	place = func(i int) *Place {
		k := turn.Key{Session: fmt.Sprintf("00000000-0000-4000-8000-%012d", i)}
		return &Place{Call: turn.Call{Key: k, Event: fmt.Sprintf("event%06d", i), Process: self, Waiter: self, Rules: turn.Rules{Most: 1}},
			Account: func(s *turn.State) *turn.Account { return s.Open(account) }}
	}
	v, err := Change(context.Background(), store, nil, func(now time.Time, s *turn.State) {
		account = s.AccountID("secret")
		s.Sessions = make(map[string]*turn.Session)
		for i := range n + 1 {
			p := place(i)
			s.Sessions[p.Call.Session] = &turn.Session{Account: account, Process: self, Dir: "/home/someone/work/project", Since: now, Seen: now,
				Transcript: "/home/someone/.claude/projects/-home-someone-work-project/" + p.Call.Session + ".jsonl", Offsets: map[string]int64{"": 12345}}
			s.Open(account).Ask(now, p.Call)
			if i == 0 {
				Admit(now, s.Open(account))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	return account, place
}

// 1. A session has the turn of a compaction. 2. The lock is busy while a call of it ends that nobody announced, and what that
// call gives back is owed. 3. The lock is free. 4. It is told once, and not as a second call.
func TestWhatIsOwedIsNotToldAgain(t *testing.T) {
	t.Parallel()
	store := open(t)
	account, place := crowd(t, store, 0)
	lock, err := os.OpenFile(filepath.Join(store.Dir(), "lock"), os.O_RDWR, 0)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { lock.Close() })
	g := GiveBack{Account: account, Key: turn.Key{Session: place(0).Call.Session, Agent: "x"}, How: Subagent}
	if err := Tell(t.Context(), store, nil, g, g.Apply); err != nil {
		t.Fatal(err)
	}
	v, err := store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if a := v.State.Account(account); len(a.Turns("")) != 0 || len(a.Calls) != 1 || store.Owes() {
		t.Errorf("calls are %+v, something is owed: %v; want one, which is over", a.Calls, store.Owes())
	}
}

// BenchmarkHandOn measures what one turn that is given on costs in a line of so many: reading the state, the change and its
// encoding, all of it without the lock where nobody is in the way, and the writing, which needs it.
func BenchmarkHandOn(b *testing.B) {
	for _, n := range []int{20, 100, 500} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			store := open(b)
			account, place := crowd(b, store, n)
			var read, change, encode, write []time.Duration
			var size int
			for i := 0; b.Loop(); i++ {
				t0 := time.Now()
				v, err := store.View()
				if err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				before := whoStands(v.State)
				a := v.State.Open(account)
				a.Succeeded(time.Now(), place(i%(n+1)).Call.Key)
				a.Ask(time.Now(), place(i%(n+1)).Call)
				Admit(time.Now(), a)
				before.concerns(whoStands(v.State))
				t2 := time.Now()
				data, err := v.State.Encode()
				if err != nil {
					b.Fatal(err)
				}
				t3 := time.Now()
				v.Close()
				v, err = store.Update(context.Background(), func(s *turn.State) error { *s = *v.State; return nil })
				if err != nil {
					b.Fatal(err)
				}
				v.Close()
				read, change, encode, write = append(read, t1.Sub(t0)), append(change, t2.Sub(t1)), append(encode, t3.Sub(t2)), append(write, time.Since(t3))
				size = len(data)
			}
			median := func(d []time.Duration) float64 { slices.Sort(d); return d[len(d)/2].Seconds() * 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(read), "read-ms")
			b.ReportMetric(median(change), "change-ms")
			b.ReportMetric(median(encode), "encode-ms")
			b.ReportMetric(median(write), "write-ms")
			b.ReportMetric(float64(size)/1000, "kB")
		})
	}
}
