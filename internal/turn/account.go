package turn

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"afteryou/internal/limit"
)

// Account is what one credential pays for at one API, and all that is known about it. Its methods are not safe for concurrent
// use: whoever holds the lock on the state has the account to itself.
type Account struct {
	Name string `json:"name,omitempty"`
	// Organization is whose it is, as answers say, in a short form; empty: none said.
	Organization string             `json:"organization,omitempty"`
	Calls        []*Call            `json:"calls,omitempty"` // those that wait in the order of the line, the others as they were sent
	Classes      map[string]*Class  `json:"classes,omitempty"`
	Budget       Budget             `json:"budget,omitzero"`   // of the last who asked with one
	Windows      map[string]*Window `json:"windows,omitempty"` // of a subscription, by name
	// Budgeted is when somebody last asked with a budget, to the minute; zero: nobody, and what was spent is not kept.
	Budgeted time.Time `json:"budgeted,omitzero"`
	// Requests are when requests came that count in the budget and took no tokens: those that were rejected, and those that a
	// program of before counted.
	Requests []time.Time `json:"requests,omitempty"`
	At       time.Time   `json:"at,omitzero"` // up to when all of it was brought

	here Host // where it is read
}

// Class is what is known of the rate limit of one class of models. The class "" is of calls that are not told apart.
type Class struct {
	Pace     limit.Pace   `json:"pace,omitzero"`
	Tokens   limit.Tokens `json:"tokens,omitzero"`
	CoolDown CoolDown     `json:"cool,omitzero"`
	Usage    Usage        `json:"usage,omitzero"`
	Quota    limit.Quota  `json:"quota,omitzero"`  // where calls reserve what they may take
	First    limit.Costs  `json:"first,omitzero"`  // what a key's first call takes, on average
	Share    float64      `json:"share,omitempty"` // of its size that a key's first call takes: the most, lately
	Adds     float64      `json:"adds,omitempty"`  // what a call adds to what was said before it, on average
	// Answers is how long after it was sent a call is answered, on average, as gates see that do not see its tries.
	Answers time.Duration `json:"answers,omitempty"`
	Passed  int           `json:"passed,omitempty"` // interactive calls in a row that went before one of -p that waited
	// Wondered is when the API was last asked what the limit is.
	Wondered time.Time `json:"wondered,omitzero"`
	Fleet    Fleet     `json:"fleet,omitzero"`
}

// AccountID names the account that a secret pays for. It tells nothing about the secret to who has not seen it: the key of the
// hash is the state's own, made when missing.
func (s *State) AccountID(secret string) string {
	if s.Salt == "" {
		s.Salt = rand.Text()
	}
	mac := hmac.New(sha256.New, []byte(s.Salt))
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

// Account returns the account with that id; one that is not known is blank, and none of the state's.
func (s *State) Account(id string) *Account {
	if a := s.Accounts[id]; a != nil {
		return a
	}
	return &Account{here: s.here}
}

// Open returns the account with that id, and makes it when missing.
func (s *State) Open(id string) *Account {
	a := s.Account(id)
	if s.Accounts == nil {
		s.Accounts = make(map[string]*Account)
	}
	s.Accounts[id] = a
	return a
}

// Class returns what is known of the limit of a class; of one that nobody called nothing is.
func (a *Account) Class(name string) *Class {
	if l := a.Classes[name]; l != nil {
		return l
	}
	return &Class{}
}

// class is the limit of a class, made when missing.
func (a *Account) class(name string) *Class {
	l := a.Class(name)
	if a.Classes == nil {
		a.Classes = make(map[string]*Class)
	}
	a.Classes[name] = l
	return l
}

// advance brings the account up to now, in the order in which things happened, and returns the time to go on with: never
// before the time that it was brought to already. A clock that was put back is [State.Arrive]'s.
func (a *Account) advance(now time.Time) time.Time {
	now = Latest(stamp(now), a.At)
	for name, l := range a.Classes {
		if !slices.ContainsFunc(a.Calls, func(c *Call) bool { return c.Class == name && c.Phase == Waiting }) {
			l.fade(now)
		}
	}
	for {
		c, due := a.due()
		if c == nil || due.After(now) {
			break
		}
		if c.Retry != nil {
			c.Retry = nil
			a.send(c, due)
			c.Guessed = c.News == ByMark
			a.alive(due, c.Key)
		} else {
			c.Paced = c.Paced && c.News != ByNext // only its answer tells that the pace was not too high
			a.confirm(due, c)
		}
	}
	for _, l := range a.Classes {
		l.Pace.Refill(now)
		l.Tokens.Refill(now)
	}
	a.At = now
	return now
}

// due is what happens next by itself: a call that was rejected is made again, or the trial of one is over; nil: nothing.
func (a *Account) due() (first *Call, at time.Time) {
	for _, c := range a.Calls {
		var due time.Time
		switch {
		case c.Phase == Waiting:
			continue
		case c.Retry != nil:
			due = c.Retry.Due()
		case c.Trial:
			due = c.trialEnds(a.Class(c.Class).Pace.Rate > 0)
		default:
			continue
		}
		if first == nil || due.Before(at) || due.Equal(at) && c.Retry != nil && first.Retry == nil {
			first, at = c, due
		}
	}
	return first, at
}

// SetBack reports that the clock was put back since the account was last brought up to date. Whoever waits for a time in it
// reads the state anew then, or would wait for as long again.
func (a *Account) SetBack(now time.Time) bool { return a.At.Sub(stamp(now)) > skew }

// Sweep clears away what nobody will come back for: calls whose waiter can't be looked at and gave no sign of life for a lease;
// turns whose session is gone or whose lease lapsed; tries announced by sessions that are gone; and what nothing depends on
// any more. With all it looks at every process that waits, too, else [Account.Admit] does before it gives one a turn. It reports
// whether somebody was cleared away.
func (a *Account) Sweep(now time.Time, alive func(Process) bool, all bool) (swept bool) {
	now = a.advance(now)
	waited := len(a.Waiting())
	a.drop(func(c *Call) bool {
		return c.Phase == Waiting && (a.elsewhere(c.Waiter) && now.Sub(c.Seen) > lease || all && !(lives(c.Process, alive) && lives(c.Waiter, alive)))
	})
	swept = len(a.Waiting()) != waited
	for _, c := range slices.Clone(a.Calls) {
		switch {
		case c.Phase == Granted && !a.lapse(c).After(now) && c.Event == WakeEvent: // who did not wake up made no call
			a.Withdraw(now, c.Key, c.Event)
		case c.Phase == Granted && (!a.lapse(c).After(now) || !lives(c.Process, alive)):
			a.over(now, c)
			fallthrough
		case c.Retry != nil && c.Phase == Over && !lives(c.Process, alive):
			a.orphan(now, c)
		default:
			continue
		}
		swept = true
	}
	a.forgetBudget(now)
	a.forgetWindows(now)
	a.settle(now)
	for _, l := range a.Classes {
		if l.CoolDown.Times > 0 && now.Sub(l.CoolDown.Until) > forgotten {
			l.CoolDown = CoolDown{}
		}
		if left := l.Usage.Until.Sub(now); l.Usage != (Usage{}) && (left <= 0 || left > longest) {
			l.Usage = Usage{}
		}
	}
	return swept
}

// settle drops the calls that nothing depends on any more.
func (a *Account) settle(now time.Time) {
	lasts := make(map[Key]*Call)
	for _, c := range a.Calls {
		if last := lasts[c.Key]; c.made() && (last == nil || !c.latest().Before(last.latest())) {
			lasts[c.Key] = c
		}
	}
	for _, c := range a.Calls {
		if last := lasts[c.Key]; c.made() && last != c {
			last.Row, last.Refused, last.Answer = Latest(last.Row, c.Row), Latest(last.Refused, c.Refused), cmp.Or(last.Answer, c.Answer)
		}
	}
	a.drop(func(c *Call) bool {
		return !(c.Phase != Over || c.Trial || c.Retry != nil || a.spends(now, c) || c.Unseen && !c.soon() && now.Sub(c.Done) < overdue ||
			lasts[c.Key] == c && now.Sub(c.latest()) <= c.remembered())
	})
}

// drop takes calls out.
func (a *Account) drop(which func(*Call) bool) { a.Calls = slices.DeleteFunc(a.Calls, which) }

// remove takes one call out.
func (a *Account) remove(c *Call) { a.drop(func(o *Call) bool { return o == c }) }

// leave drops all that a session has. Its calls stay counted: the server counted them too.
func (a *Account) leave(now time.Time, session string) {
	a.giveBack(now, a.all(func(c *Call) bool { return c.Session == session }))
	a.drop(func(c *Call) bool { return c.Session == session && c.Phase == Waiting })
}

// tidy drops the classes of which there is nothing to remember. It reports whether there is nothing left.
func (a *Account) tidy() (empty bool) {
	maps.DeleteFunc(a.Classes, func(class string, l *Class) bool {
		return l.Pace.Blank() && l.CoolDown == CoolDown{} && l.Usage == Usage{} && a.find(func(c *Call) bool { return c.Class == class }) == nil
	})
	return len(a.Calls) == 0 && len(a.Classes) == 0 && len(a.Windows) == 0 && a.Budgeted.IsZero()
}
