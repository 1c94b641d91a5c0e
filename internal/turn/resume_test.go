package turn

import (
	"errors"
	"testing"
	"time"
)

func TestResume(t *testing.T) {
	at := func(minutes int) time.Time { return time.Unix(1795462121, 0).Add(time.Duration(minutes) * time.Minute) }
	var s Session
	if err := s.Resume(at(1), at(0), time.Time{}, Rules{}); err != nil {
		t.Fatalf("the first time: %v", err)
	}
	if err := s.Resume(at(2), at(0), time.Time{}, Rules{}); !errors.Is(err, ErrResumed) {
		t.Errorf("again for the same error: %v, want %v", err, ErrResumed)
	}
	for i := 1; i < fruitless; i++ {
		if err := s.Resume(at(10*i+1), at(10*i), time.Time{}, Rules{}); err != nil {
			t.Fatalf("time %d: %v", i+1, err)
		}
	}
	if err := s.Resume(at(101), at(100), at(-5), Rules{}); err == nil || errors.Is(err, ErrResumed) {
		t.Errorf("after %d fruitless times: %v, want a refusal", fruitless, err)
	}
	if err := s.Resume(at(103), at(102), at(101), Rules{}); err != nil {
		t.Errorf("after an answer: %v", err)
	}
	for i := range mostADay {
		m := 200 + 10*i
		err := s.Resume(at(m+1), at(m), at(m-1), Rules{})
		if refused := len(s.Resumes.Times) >= mostADay && err != nil; err != nil && !refused {
			t.Fatalf("resume %d of the day: %v", len(s.Resumes.Times), err)
		}
	}
	if err := s.Resume(at(601), at(600), at(599), Rules{}); err == nil {
		t.Errorf("resume %d of the day, want a refusal", len(s.Resumes.Times))
	}
	if err := s.Resume(at(600+24*60), at(599+24*60), at(598+24*60), Rules{}); err != nil {
		t.Errorf("a day later: %v", err)
	}
	if n := len(s.Resumes.Times); n > mostADay {
		t.Errorf("%d times are kept, want at most %d", n, mostADay)
	}
}

func TestResumeAsOftenAsTheRulesSay(t *testing.T) {
	at := func(minutes int) time.Time { return time.Unix(1795462121, 0).Add(time.Duration(minutes) * time.Minute) }
	for _, most := range []int{1, 3, 8} {
		var s Session
		n := 0
		for n < 2*most && s.Resume(at(10*n+1), at(10*n), time.Time{}, Rules{Resumes: most}) == nil {
			n++
		}
		if n != most {
			t.Errorf("resumed %d times without an answer, want %d", n, most)
		}
	}
}

func TestResumeAfterTheClockWasPutBack(t *testing.T) {
	now := time.Unix(1795462121, 0)
	var s Session
	if err := s.Resume(now, now.Add(-time.Minute), time.Time{}, Rules{}); err != nil {
		t.Fatal(err)
	}
	back := now.Add(-3 * time.Hour)
	if err := s.Resume(back.Add(2*time.Minute), back.Add(time.Minute), time.Time{}, Rules{}); err != nil {
		t.Errorf("a new error, by a clock that was put back 3 hours: %v", err)
	}
	if err := s.Resume(back.Add(3*time.Minute), back.Add(time.Minute), time.Time{}, Rules{}); !errors.Is(err, ErrResumed) {
		t.Errorf("the same error again: %v, want %v", err, ErrResumed)
	}
}
