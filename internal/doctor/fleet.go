package doctor

import (
	"time"

	"afteryou/internal/fleet/redis"
	"afteryou/internal/turn"
)

const (
	// far is from when on a server is slow: each call that waits asks it two or three times.
	far = 50 * time.Millisecond
	// apart is from when on clocks are worth a word. Turns do not depend on them.
	apart = 5 * time.Second
)

// fleet looks at the server by which machines share limits, if there is one.
func (e *examination) fleet(s *turn.State) {
	if e.Config.Share == "" {
		return
	}
	a, err := redis.Parse(e.Config.Share)
	if err != nil {
		return // the settings do not take it
	}
	server := redis.New(a)
	defer server.Close()
	c, err := server.Look()
	if err != nil {
		e.say("share", Broken, "see that it runs, and that user, password and ACL are right (docs/fleet.md); until then each machine keeps to its last share", "%v", err)
		return
	}
	what := "server"
	if c.Version != "" {
		what = c.Software + " " + c.Version
	}
	switch {
	case c.Trip > far:
		e.say("share", Note, "use a server that is nearer", "%s (%s) takes %v for an exchange", a, what, c.Trip.Round(time.Millisecond))
	default:
		e.say("share", OK, "", "%s (%s) answers within %v", a, what, c.Trip.Round(100*time.Microsecond))
	}
	if c.Policy != "" && c.Policy != "noeviction" {
		e.say("share", Note, "set maxmemory-policy to noeviction, if the server is yours", "%s drops keys when it is full (%s): then machines begin anew, with a call too many", a, c.Policy)
	}
	if c.Ahead.Abs() > apart {
		e.say("share", Note, "set the clocks, for your logs", "the clock of %s is %v from this machine's; turns do not depend on it", a, c.Ahead.Round(time.Second))
	}
	for _, account := range s.Accounts {
		by := "its credential: machines with other keys of the same organization are not known, until an answer names it"
		switch {
		case e.Config.ShareName != "":
			by = "share_name"
		case account.Organization != "":
			by = "its organization"
		}
		e.say("share", OK, "", "%s is shared by %s", account.Name, by)
	}
}
