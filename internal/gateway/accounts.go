package gateway

import (
	"crypto/sha256"
	"net/http"
	"sync"

	"afteryou/internal/gate"
	"afteryou/internal/guard"
)

// mostAccounts bounds how many accounts are kept whose calls are all over: a program may take a new token every hour.
const mostAccounts = 64

// accounts has a gate for each account that requests are paid from.
type accounts struct {
	config gate.Config
	pool   func(*http.Request) (name, secret string)

	mu  sync.Mutex
	all map[[sha256.Size]byte]*gate.Gate // by the secret's hash
}

// of returns the gate of a request's account. It is closed with the others.
func (a *accounts) of(r *http.Request) *gate.Gate {
	var name, secret string
	guard.Run(func() { name, secret = a.pool(r) }, a.log) // one without a name shares its turns with others like it
	id := sha256.Sum256([]byte(secret))
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.all[id]
	if g == nil {
		a.sweep()
		c := a.config
		c.Pool = func() (string, string) { return name, secret }
		g = gate.New(c)
		a.all[id] = g
	}
	return g
}

// log writes what is wrong beside the calls of an account.
func (a *accounts) log(text string) { a.config.Store.Log("gateway: %s", text) }

// sweep closes gates that nobody needs, where there are too many. a.mu must be held, so that nobody takes one meanwhile.
func (a *accounts) sweep() {
	for id, g := range a.all {
		if len(a.all) >= mostAccounts && g.Idle() {
			g.Close()
			delete(a.all, id)
		}
	}
}

// close gives back every turn.
func (a *accounts) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.all {
		g.Close()
	}
}
