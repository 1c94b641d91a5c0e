package turn

import (
	"slices"
	"time"

	"afteryou/internal/limit"
)

const (
	// mostRemembered is of how many limits it is known what they were while nobody calls.
	mostRemembered = 32
	// lull is how long nothing must be called for other machines to be asked anew that could not be.
	lull = time.Minute
	// wonders is how often the API is asked at most what a limit is, and how old a rejection may be for it.
	wonders     = time.Minute
	wonderSince = 10 * time.Second
)

// fade makes the pace a memory after the calls of the class fell quiet, and forgets it later; sooner where no limit was met. A limit
// of tokens that a message named is forgotten sooner too: nothing would tell that it was raised.
func (l *Class) fade(now time.Time) {
	p, quiet := &l.Pace, now.Sub(l.Pace.Used)
	switch {
	case p.Used.IsZero():
	case quiet > limit.Lasts, quiet > forgotten && p.Rate == 0:
		*p, l.Tokens = limit.Pace{At: p.At, Sent: p.Sent, Base: p.Sent}, limit.Tokens{}
	default:
		if quiet > lull {
			l.together()
		}
		if p.Fade(now); quiet > forgotten && p.Source() != limit.ByHeaders {
			l.Tokens = limit.Tokens{}
		}
	}
}

// Dormant reports that nobody calls the class and all there is to know of it is what its limit was.
func (a *Account) Dormant(now time.Time, class string) bool {
	l := a.Class(class)
	return l.Pace.Rate > 0 && now.Sub(l.Pace.Used) > forgotten && !l.CoolDown.Until.After(now) && l.Usage == Usage{} &&
		a.find(func(c *Call) bool { return c.Class == class }) == nil
}

// forgetOldest drops what the limits were that were not called for longest, where there are many. With keys that change every day
// there would be.
func (s *State) forgetOldest(now time.Time) {
	var dormant []*Class
	for _, a := range s.Accounts {
		for class, l := range a.Classes {
			if a.Dormant(now, class) {
				dormant = append(dormant, l)
			}
		}
	}
	slices.SortFunc(dormant, func(l, other *Class) int { return other.Pace.Used.Compare(l.Pace.Used) })
	for _, l := range dormant[min(len(dormant), mostRemembered):] {
		l.Pace, l.Tokens = limit.Pace{}, limit.Tokens{}
	}
}

// Wonders lets one process ask the API what the limit of a class is, once a minute at most, and says whether it is this one: a call
// was rejected just now, and nobody said. Whoever may tells the answer to Told.
func (a *Account) Wonders(now time.Time, class string) bool {
	now = a.advance(now)
	l := a.class(class)
	if at := l.Pace.Rejected(); l.Pace.Source() != limit.ByRejections || now.Sub(at) > wonderSince || now.Sub(l.Wondered) < wonders {
		return false
	}
	l.Wondered = now
	return true
}

// Told says what the API answered to a request that was only to ask; accepted: it took it, so that it counts as any other.
func (a *Account) Told(now time.Time, class string, h limit.Headers, accepted bool) {
	now = a.advance(now)
	p := &a.class(class).Pace
	if was := p.Limit; h.Requests.Limit > 0 {
		p.Told(now, h.Requests, nil)
		p.Name(now, was) // nothing tells when it changes
	} else if accepted {
		p.Give(-1)
	}
}
