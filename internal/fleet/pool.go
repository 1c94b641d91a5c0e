package fleet

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Pool is one limit, as the server keeps it. The zero Pool is one of which nothing is known.
type Pool struct {
	Belief
	Level float64 // calls that may go at At
	At    int64   // ms
	Cool  int64   // until when nobody may start
	Sent  float64
	// Demand is the sum of the machines'.
	Demand   int
	Machines map[string]machine
	Line     map[string]ticket
	Granted  map[string]int64 // when, by ticket
}

type machine struct {
	Until  int64
	Demand int
	Loose  float64
}

type ticket struct {
	Asked int64
	Due   int64 // dropped then
}

const (
	lease    = int64(Lease / time.Millisecond)
	grace    = int64(Grace / time.Millisecond)
	slop     = int64(Slop / time.Millisecond)
	mostCool = int64(MostCool / time.Millisecond)
	// longest is how long anything that is remembered may last; what lasts longer is from before the server's clock was put back.
	longest = 60_000
)

// Exchange takes in what a machine says, at a time of the server's clock, and returns what it hears. Told twice, it is the same.
func (p *Pool) Exchange(at time.Time, a Ask) (out Answer) {
	now := at.UnixMilli()
	p.sweep(now)
	p.refill(now)
	p.hear(now, a)
	p.believe(a)
	p.cool(now, a)
	out.Granted, out.Wait, out.Ahead = p.stand(now, a)
	out.Line, out.Machines, out.Demand, out.Sent, out.Belief = len(p.Line), len(p.Machines), p.Demand, p.Sent, p.Belief
	out.Cool = max(0, time.Duration(p.Cool-now)*time.Millisecond)
	return out
}

// sweep drops what is over, and what the clock says is too far ahead.
func (p *Pool) sweep(now int64) {
	if p.Machines == nil {
		p.Machines, p.Line, p.Granted = make(map[string]machine), make(map[string]ticket), make(map[string]int64)
	}
	for name, t := range p.Line {
		if t.Due <= now || t.Due > now+longest {
			delete(p.Line, name)
		}
	}
	for name, when := range p.Granted {
		if when <= now-lease || when > now {
			delete(p.Granted, name)
		}
	}
	for name, m := range p.Machines {
		if m.Until <= now || m.Until > now+longest {
			p.Demand -= m.Demand
			delete(p.Machines, name)
		}
	}
	if p.Cool > now+mostCool {
		p.Cool = 0
	}
}

// refill lets the bucket fill until now.
func (p *Pool) refill(now int64) {
	if p.At > 0 && now > p.At && p.Rate > 0 {
		p.Level = max(p.Level, min(p.most(), p.Level+p.Rate*float64(now-p.At)/1000))
	}
	p.At = now
}

// most is how many calls the bucket is taken to hold.
func (p *Pool) most() float64 { return max(1, p.Top, p.Rate*Slack.Seconds()) }

// hear renews the machine's lease, and takes its calls that had no grant.
func (p *Pool) hear(now int64, a Ask) {
	was, known := p.Machines[a.Machine]
	p.Demand += a.Demand - was.Demand
	p.Machines[a.Machine] = machine{now + lease, a.Demand, a.Loose}
	if known {
		loose := max(leastLoose, min(mostLoose, a.Loose-was.Loose))
		p.Sent += loose
		p.Level = max(min(-1, p.Level), p.Level-loose)
	}
}

// believe takes what the machine learned, unless another learned something since it last heard; then only what makes all go
// slower.
func (p *Pool) believe(a Ask) {
	switch {
	case a.Rate <= 0:
	case p.Version == 0:
		p.Belief = a.Belief
		p.Version, p.Level = max(1, a.Version), 1
	case a.News && (a.Version == p.Version || a.Rate < p.Rate):
		version := p.Version + 1
		p.Belief = a.Belief
		p.Version = version
	}
}

// cool starts a cool-down. The bucket was empty, and there is a call in it at its end.
func (p *Pool) cool(now int64, a Ask) {
	until := now + min(mostCool, a.Cool.Milliseconds())
	if a.Cool > 0 && until > max(now, p.Cool)+slop {
		p.Cool = until
		if p.Rate > 0 {
			p.Level = min(p.Level, 1-p.Rate*float64(until-now)/1000)
		}
	}
}

// stand grants the ticket a call, if there is one for it and for all before it, or puts it into line.
func (p *Pool) stand(now int64, a Ask) (granted bool, wait time.Duration, ahead int) {
	if _, ok := p.Granted[a.Ticket]; ok {
		return true, 0, 0
	}
	ms := lease / 2
	if a.Ticket != "" && p.Rate > 0 {
		t, ok := p.Line[a.Ticket]
		if !ok {
			t.Asked = now - a.Age.Milliseconds()
		}
		for name, other := range p.Line {
			if other.Asked < t.Asked || other.Asked == t.Asked && strings.Compare(name, a.Ticket) < 0 {
				ahead++
			}
		}
		lack := float64(ahead) + 1 - p.Level
		if lack <= 1e-6 && p.Cool <= now {
			delete(p.Line, a.Ticket)
			p.Granted[a.Ticket] = now
			if p.Level >= p.most()-1e-6 {
				p.Level -= p.Rate * float64(a.Way.Milliseconds()) / 1000
			}
			p.Level--
			p.Sent++
			return true, 0, ahead
		}
		ms = min(ms, max(1, p.Cool-now, int64(math.Ceil(lack/p.Rate*1000))))
		t.Due = now + ms + grace
		p.Line[a.Ticket] = t
	}
	return false, time.Duration(ms) * time.Millisecond, ahead
}

// Tickets are those in line, first to last.
func (p *Pool) Tickets() (names []string) {
	for name := range p.Line {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := p.Line[a].Asked - p.Line[b].Asked; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a, b)
	})
	return names
}
