package turn

import (
	"fmt"
	"time"
)

const (
	// nearsEnd is how much of a window must be used for a word to the person.
	nearsEnd = 0.9
	// reopened is how long after a window's reset those who wait at a terminal go before -p. Claude Code goes on by itself
	// within 2 minutes of it (2.1.332).
	reopened = 5 * time.Minute
	// leastUsed is how much of a window must have been used for a pace: the API tells of hundredths.
	leastUsed = 0.015
	// jitter is how far the time of one reset differs from answer to answer.
	jitter = time.Minute
)

// WindowNames are those of the windows that are kept, as the headers name them.
func WindowNames() (names []string) {
	for _, w := range windows {
		names = append(names, w.name)
	}
	return names
}

// windows are those of a subscription that hold for all models, and how long they last.
var windows = [...]struct {
	name  string
	lasts time.Duration
}{{"5h", 5 * time.Hour}, {"7d", 7 * 24 * time.Hour}}

// Told is what an answer says of a window of a subscription.
type Told struct {
	Name     string // as in the headers: 5h, 7d
	Used     float64
	ResetsAt time.Time
}

// Window is what is known of a window: of all sessions of the account, for all models.
type Window struct {
	Name     string    `json:"-"`
	Used     float64   `json:"used,omitempty"`  // 1 is all of it; more, where more is paid for
	ResetsAt time.Time `json:"resets,omitzero"` // by the calendar
	Opened   time.Time `json:"opened,omitzero"` // when the one before reset, as far as that was known; by the calendar
	At       time.Time `json:"at,omitzero"`     // when that was told
	// From is what the present pace counts from, and Next what it will.
	From Mark `json:"from,omitzero"`
	Next Mark `json:"next,omitzero"`
}

// Mark is how much of a window was used at a time.
type Mark struct {
	At   time.Time `json:"at,omitzero"`
	Used float64   `json:"used,omitempty"`
}

// Windowed takes in what an answer says of windows, whose call was sent at a time. Less than is known already is what was, unless
// the call was sent since: a plan may have grown. Nothing is believed of a window that has reset.
func (a *Account) Windowed(now, sent time.Time, told []Told) {
	now = a.advance(now)
	for _, w := range windows {
		for _, t := range told {
			resets := stamp(t.ResetsAt)
			if t.Name == w.name && resets.After(now) && resets.Sub(now) <= longest && t.Used >= 0 && t.Used <= mostUsed {
				if a.Windows == nil {
					a.Windows = make(map[string]*Window)
				}
				if a.Windows[w.name] == nil {
					a.Windows[w.name] = new(Window)
				}
				a.Windows[w.name].hear(now, sent, t.Used, resets, w.lasts)
			}
		}
	}
}

// Lacks reports whether something is told that is clearly news; in percent it is rounded.
func (a *Account) Lacks(now time.Time, told []Told) bool {
	for _, t := range told {
		w, known := a.Window(now, t.Name)
		if t.ResetsAt.After(now) && (!known || t.Used > w.Used+0.01 || t.ResetsAt.Sub(w.ResetsAt) > jitter) {
			return true
		}
	}
	return false
}

// mostUsed is how many times a window may be used up, far beyond what is sold.
const mostUsed = 1000

func (w *Window) hear(now, sent time.Time, used float64, resets time.Time, lasts time.Duration) {
	other := resets.Sub(w.ResetsAt).Abs() > jitter
	switch {
	case (other && resets.Before(w.ResetsAt) || !other && used < w.Used) && sent.Before(w.At):
		return
	case other:
		*w = Window{Opened: w.ResetsAt}
		w.From, w.Next = Mark{now, used}, Mark{now, used}
	case used < w.Used:
		w.From, w.Next = Mark{now, used}, Mark{now, used}
	case now.Sub(w.Next.At) >= lasts/20:
		w.From, w.Next = w.Next, Mark{now, used}
	}
	w.Used, w.ResetsAt, w.At = used, resets, now
}

// UsedUp returns when the window will be used up at its present pace, that of the last twentieth of its time or two; zero: it
// lasts, it is used up already, or there is no pace to tell.
func (w Window) UsedUp() time.Time {
	used, in := w.Used-w.From.Used, w.At.Sub(w.From.At)
	if used < leastUsed || in < time.Minute || w.Used >= 1 {
		return time.Time{}
	}
	left := (1 - w.Used) / used * in.Seconds()
	if left >= w.ResetsAt.Sub(w.At).Seconds() {
		return time.Time{}
	}
	return w.At.Add(time.Duration(left * float64(time.Second)))
}

// Window returns what is known of a window; false: nothing is, or it has reset.
func (a *Account) Window(now time.Time, name string) (Window, bool) {
	w := a.Windows[name]
	if w == nil || !w.ResetsAt.After(now) {
		return Window{}, false
	}
	one := *w
	one.Name = name
	return one, true
}

// Open lists the windows of which something is known, the shorter first.
func (a *Account) Open(now time.Time) (list []Window) {
	for _, of := range windows {
		if w, ok := a.Window(now, of.name); ok {
			list = append(list, w)
		}
	}
	return list
}

// Full returns when the last of the windows resets of which a share or more is used; zero: none is.
func (a *Account) Full(now time.Time, share float64) (until time.Time) {
	for _, w := range a.Open(now) {
		if w.Used >= share-1e-9 {
			until = Latest(until, w.ResetsAt)
		}
	}
	return until
}

// Spent returns when there is quota again where a share of a window is used, or a usage limit was met; zero: there is, as far as is
// known.
func (a *Account) Spent(now time.Time, share float64) (until time.Time) {
	until = a.Full(now, share)
	for _, l := range a.Classes {
		if l.CoolDown.Why == UsageLimit {
			until = Latest(until, l.CoolDown.Until)
		}
		until = Latest(until, l.Usage.Until)
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// KeptBack returns until when a call of -p is kept back for people: once no more than the reserve of a window is left. What belongs to
// work that is half done is not.
func (a *Account) KeptBack(now time.Time, c *Call) (until time.Time) {
	if c.Rules.Reserve <= 0 || !c.Print || c.Rank == Urgent {
		return time.Time{}
	}
	return a.Full(now, 1-c.Rules.Reserve)
}

// peopleFirst reports that a window reset just now, so that many may wait.
func (a *Account) peopleFirst() bool {
	for _, w := range a.Windows {
		for _, reset := range []time.Time{w.ResetsAt, w.Opened} {
			if since := a.At.Sub(reset); since >= 0 && since < reopened {
				return true
			}
		}
	}
	return false
}

// forgetWindows drops those that reset long ago, or never will.
func (a *Account) forgetWindows(now time.Time) {
	for name, w := range a.Windows {
		if left := w.ResetsAt.Sub(now); left < -reopened || left > longest {
			delete(a.Windows, name)
		}
	}
}

// NearsEnd returns a window of which little is left, once for each: it notes that the session is told.
func (s *Session) NearsEnd(now time.Time, a *Account) (near Window, ok bool) {
	if s.Warned.After(now) {
		return near, false
	}
	for _, w := range a.Open(now) {
		if w.Used >= nearsEnd {
			near, ok = w, true
		}
	}
	if ok {
		s.Warned = near.ResetsAt
	}
	return near, ok
}

// Notice is what the person is told of a window of which little is left.
func (w Window) Notice() string {
	return fmt.Sprintf("%.0f %% of the %s window are used; it resets %s", 100*w.Used, w.Name, w.ResetsAt.Local().Format("Mon 15:04"))
}
