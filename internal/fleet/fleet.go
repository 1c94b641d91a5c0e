// Package fleet is what machines that share one rate limit tell each other: an [Ask] and its [Answer], one round trip by way of a
// Redis or Valkey server. Nothing in them names anybody.
//
// [Pool] says what becomes of an ask. On the server the same is a script, and a test holds both to each other. A machine loses
// nothing if the pool forgets all: with each ask it says anew what it knows. Only durations cross the wire, so that clocks
// need not agree.
//
// It decides nothing on a machine; package turn does. It opens no connection; package fleet/redis does.
package fleet

import "time"

// Ask is what a machine says of one limit, and whether it stands in line for a call.
type Ask struct {
	Pool    string // names the limit
	Machine string // a random name of the state directory
	// Demand is how many of its calls wait or are under way.
	Demand int
	// Ticket is the random name of its place in line, and the same until it is granted; empty: it asks for no call.
	Ticket string
	Age    time.Duration // for how long the call waits
	// Way is how much longer than the next the call may be under way: a bucket that was full gains nothing until it comes.
	Way time.Duration
	// Cool is for how long nobody may start, as far as it knows.
	Cool time.Duration
	// Loose is how many of its calls were sent without a grant, ever, and what of the limit was lost by calls that came late. It may
	// become less: a grant was given back.
	Loose float64
	Belief
	// News says that its belief was learned here, since it last heard of others'.
	News bool
}

// Belief is what is known of the limit.
type Belief struct {
	Version int     // counts the changes; 0: nothing is known
	Rate    float64 // calls a second; 0: no limit was met
	Top     float64 // how many calls its bucket holds
	Text    string  // what else there is to know, for machines to understand
}

// Answer is what a machine hears.
type Answer struct {
	Granted bool // one call may be sent
	// Wait is when to ask again; it is never longer than [Lease] / 2.
	Wait     time.Duration
	Ahead    int // tickets before its own
	Line     int // all tickets
	Machines int
	Demand   int           // of all machines
	Cool     time.Duration // for how long nobody may start
	Sent     float64       // calls that were sent by all, ever
	Belief
}

const (
	// Lease is how long a machine counts as there after it asked, and a grant is remembered.
	Lease = 10 * time.Second
	// Grace is how much later than it was told a machine may ask again until its ticket is dropped. It enters anew by its age.
	Grace = time.Second
	// MostCool bounds what one machine can do to others.
	MostCool = 10 * time.Minute
	// Slop is by how much a cool-down must be longer to be another one: each time it is told it grows by the way to the server.
	Slop = 250 * time.Millisecond
	// mostLoose bounds how many calls without a grant are believed at once, and how many are given back.
	mostLoose, leastLoose = 1000., -10.
	// Slack is for how long calls may go unasked for before the bucket gains no more: machines come a little late.
	Slack = 100 * time.Millisecond
	// Forgets is after how long the server forgets a pool that nobody asks.
	Forgets = time.Hour
)
