package limit

import (
	"testing"
	"time"
)

// Calls that were accepted and one that was rejected tell between what the quota lies; what is given back counts no more.
func TestQuota(t *testing.T) {
	var q Quota
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for range 4 {
		needs := q.Needs(at, 200000)
		q.Take(at, 200000)
		q.Accepted(needs, false)
	}
	if q.Least != 800000 || q.PerMinute != 0 || !q.Afford(at, 1e6).Equal(at) {
		t.Fatalf("four calls were accepted: %+v, want a quota of 800000 at least, which holds nobody", q)
	}
	if !q.Rejected(q.Needs(at, 200000)) || q.PerMinute < 800000 || q.PerMinute > 1e6 {
		t.Fatalf("the fifth was rejected: %+v, want a quota between what four and five take", q)
	}
	if until := q.Afford(at, 200000); !until.After(at) {
		t.Errorf("the fifth goes at once again, at %v", until)
	}
	q.Take(at, -190000)
	if until := q.Afford(at, 200000); !until.Equal(at) {
		t.Errorf("one was answered and took 10000: the next goes at %v, want %v", until, at)
	}
	if q.Rejected(200000) {
		t.Error("a call was rejected though four times as much was borne: that is taken to be for want of tokens")
	}
}

// A call that reserves more than there is goes once the quota is full, and not never.
func TestQuotaOfALargeCall(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	q := Quota{PerMinute: 60000, Taken: 30000, Since: at}
	if got, want := q.Afford(at, 200000), at.Add(30*time.Second); got.Sub(want).Abs() > time.Millisecond {
		t.Errorf("a call of 200000 goes at %v, want %v", got, want)
	}
}
