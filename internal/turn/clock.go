package turn

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// skew is how far times of two processes of one machine may disagree: each reads the clock before it waits for the
// lock. A step back that is longer was the clock's.
const skew = 5 * time.Second

// stamp is a time as the state keeps it: UTC, whole milliseconds, no monotonic reading. So a state that was written
// and read again is the same. One that no clock shows is not known.
func stamp(t time.Time) time.Time {
	if t.IsZero() || !dated(t) {
		return time.Time{}
	}
	return t.UTC().Round(0).Truncate(time.Millisecond)
}

// ceil rounds up to what stamp keeps, so that whoever comes back at that time does not come too early.
func ceil(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond)
}

// advance brings the pool up to now, in the order in which things happened, and returns the time to go on with: never
// before the time the pool was brought to already.
func (p *Pool) advance(now time.Time) time.Time {
	now = stamp(now)
	if back := p.At.Sub(now); back > skew {
		p.shift(-back)
	} else if back > 0 {
		now = p.At
	}
	if p.Pace.fade(now, len(p.Queue) == 0); p.Pace.blank() {
		p.Tokens = Tokens{}
	}
	for {
		retry, try := p.nextRetry(), p.Pace.nextTry()
		switch {
		case retry >= 0 && !p.Retries[retry].due().After(now) &&
			(try < 0 || !p.Retries[retry].due().After(p.Pace.ends(p.Pace.Tries[try]))):
			p.fire(now, retry)
			continue
		case try >= 0 && !p.Pace.ends(p.Pace.Tries[try]).After(now):
			p.Pace.expire(try)
			continue
		}
		break
	}
	p.Pace.refill(now)
	p.At = now
	return now
}

// SetBack reports that the clock was put back since the pool was last brought up to date. Whoever waits for a time in it
// then sees to it that somebody does, or would wait for as long again.
func (p *Pool) SetBack(now time.Time) bool { return p.At.Sub(stamp(now)) > skew }

// shift moves all that the pool remembers by d: the clock was put back, and time went on all the same. What is known
// by the calendar (when a usage limit resets) stays.
func (p *Pool) shift(d time.Duration) {
	for i := range p.Queue {
		move(&p.Queue[i].Since, d)
		move(&p.Queue[i].Seen, d)
	}
	for i := range p.Grants {
		move(&p.Grants[i].At, d)
		move(&p.Grants[i].Seen, d)
	}
	for i := range p.Retries {
		move(&p.Retries[i].Rejected, d)
	}
	for i := range p.Callers {
		move(&p.Callers[i].Sent, d)
		move(&p.Callers[i].Row, d)
		move(&p.Callers[i].Rejected, d)
	}
	for i := range p.Pace.Tries {
		move(&p.Pace.Tries[i].At, d)
		move(&p.Pace.Tries[i].Doubt, d)
	}
	for i := range p.Pace.Log {
		move(&p.Pace.Log[i], d)
	}
	for i := range p.Pace.Empty {
		move(&p.Pace.Empty[i], d)
	}
	for _, b := range []*Bucket{&p.Tokens.Input, &p.Tokens.Output, &p.Tokens.Total} {
		move(&b.At, d)
	}
	move(&p.CoolDown.Until, d)
	move(&p.Pace.At, d)
	move(&p.Pace.Since, d)
	move(&p.Pace.Used, d)
	move(&p.Pace.Cut, d)
	move(&p.At, d)
}

// Log is when calls were sent, oldest first. In JSON it is the first in milliseconds since 1970, then the
// differences: a hook parses it before every call.
type Log []time.Time

func (l Log) add(t time.Time) Log {
	i, _ := slices.BinarySearchFunc(l, t, later)
	return slices.Insert(l, i, t)
}

// later puts equal times in front of where t goes.
func later(a, t time.Time) int {
	return cmp.Or(a.Compare(t), -1)
}

func (l Log) remove(t time.Time) Log {
	i, _ := slices.BinarySearchFunc(l, t, later)
	if i > 0 && l[i-1].Equal(t) {
		return slices.Delete(l, i-1, i)
	}
	return l
}

// count is how many lie in (from, to].
func (l Log) count(from, to time.Time) int {
	i, _ := slices.BinarySearchFunc(l, from, later)
	j, _ := slices.BinarySearchFunc(l, to, later)
	return max(0, j-i)
}

// MarshalJSON writes the compact form.
func (l Log) MarshalJSON() ([]byte, error) {
	list := make([]int64, len(l))
	var last int64
	for i, t := range l {
		list[i] = t.UnixMilli() - last
		last = t.UnixMilli()
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads the compact form.
func (l *Log) UnmarshalJSON(data []byte) error {
	var list []int64
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*l = make(Log, len(list))
	var last int64
	for i, d := range list {
		last += d
		(*l)[i] = time.UnixMilli(last).UTC()
	}
	slices.SortFunc(*l, time.Time.Compare)
	return nil
}
