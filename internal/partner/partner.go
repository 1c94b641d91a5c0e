// Package partner is the process that the module inside Claude Code asks: one for each Claude Code, for all requests of all
// its sessions. It stands in line for them, judges their answers, and gives back what they leave.
//
// It listens on a unix socket in a directory of its own, which only the user can enter, and ends with Claude Code, however
// that ends. It sends nothing, starts nothing but what tells the user's notify_command, and keeps nothing when it is gone; of a request it is told the model, the
// size and the headers of the answer, and nothing that is said but, where the module sees no requests, the text of an error.
package partner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"afteryou/internal/budget"
	"afteryou/internal/claude"
	"afteryou/internal/gate"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/notify"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Config says whose partner it is.
type Config struct {
	Store   *lockfile.Store
	Rules   turn.Rules
	MaxWait time.Duration // bounds how long a call is held back
	Getenv  func(string) string
	// Pool names the limit that the calls share: a name to show, and the secret that its id is made from.
	Pool   func() (name, secret string)
	Claude turn.Process
	Groups limit.Groups      // of models that share a limit, as far as the organization told
	Mark   string            // what the module puts into Claude Code's environment while this partner lives
	Notify bool              // whether the person is told that a session goes on after a long wait
	Tell   func(notify.Note) // tells notify_command; nil: there is none
	Budget budget.Watch
	Fleet  line.Fleets // makes what meets other machines on the limit
}

const (
	// tick is how often it looks whether Claude Code is there, while a request is there and while none is.
	tick, tickIdle = 500 * time.Millisecond, 2 * time.Second
	// longest is how long a path of a socket may be, in bytes (104 on macOS, 108 on Linux).
	longest = 100
)

// partner serves the module of one Claude Code.
type partner struct {
	Config
	gate       *gate.Gate
	unattended bool

	mu       sync.Mutex
	calls    map[string]*call // by the module's id
	sessions map[string]session
	left     map[string]bool // sessions that ended
	dead     map[loop]death
	near     map[string]turn.Window // by session: of which the person is to be told that little is left
	telling  string                 // the request that shows a person that a budget is used up
	ended    bool                   // Claude Code was sent away

	busy chan struct{} // a request came; holds one
}

// loop is who makes one call of a turn after the other: a session or one of its subagents.
type loop struct{ session, agent string }

// death is how a turn would have died, and the class of the limit.
type death struct {
	turn.Death
	class string
}

// session is what is known of one of Claude Code's sessions.
type session struct {
	Dir        string `json:"dir"`
	Transcript string `json:"transcript"`
	Gate       string `json:"gate"`
}

// Serve serves the module until Claude Code is gone or ctx ends. Once it listens it says where, on a line of out.
func Serve(ctx context.Context, c Config, out io.Writer) error {
	l, dir, err := listen(c.Store)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := newPartner(c)
	defer p.gate.Close()
	p.takeOver()
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: time.Minute}
	defer server.Close()
	guard.Go(func() { server.Serve(l) }, p.gate.Log) // until Close
	if err := json.NewEncoder(out).Encode(map[string]string{"socket": l.Addr().String(), "mark": c.Mark}); err != nil {
		return fmt.Errorf("telling the module where to ask: %w", err)
	}
	p.watch(ctx)
	return nil
}

// newPartner makes a partner, whose gate the caller must close.
func newPartner(c Config) *partner {
	p := &partner{Config: c, unattended: claude.Unattended(c.Getenv), calls: make(map[string]*call), sessions: make(map[string]session),
		left: make(map[string]bool), dead: make(map[loop]death), near: make(map[string]turn.Window), busy: make(chan struct{}, 1)}
	p.gate = gate.New(gate.Config{Name: "module", Store: c.Store, Rules: c.Rules, Print: p.unattended, Pool: c.Pool, Process: c.Claude, Register: p.register, Fleet: c.Fleet})
	return p
}

// listen makes the socket, in a directory of its own beside the state, or, where the path would be too long or the file system
// has no sockets, in that for temporary files.
func listen(store *lockfile.Store) (l net.Listener, dir string, err error) {
	dir, err = store.Private()
	if err == nil {
		if l, err = socketIn(dir); err == nil {
			return l, dir, nil
		}
		os.RemoveAll(dir)
	}
	dir = filepath.Join(os.TempDir(), "afteryou-"+rand.Text())
	if failed := os.Mkdir(dir, 0o700); failed != nil {
		return nil, "", errors.Join(err, failed)
	}
	if l, err = socketIn(dir); err != nil {
		os.RemoveAll(dir)
		return nil, "", err
	}
	return l, dir, nil
}

func socketIn(dir string) (net.Listener, error) {
	path := filepath.Join(dir, "s")
	if len(path) > longest {
		return nil, fmt.Errorf("listening on %s: the path is too long", path)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return own{l}, nil
}

// own lets in who runs as the same user, as far as the system tells. The directory keeps all others out already.
type own struct{ *net.UnixListener }

func (l own) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, ok := peer(c); !ok || uid == os.Geteuid() {
			return c, nil
		}
		c.Close()
	}
}

// watch blocks until Claude Code is gone or ctx ends. Meanwhile it gives the calls that are under way their sign of life, and
// drops those whose module asks no more.
func (p *partner) watch(ctx context.Context) {
	for next := p.look(time.Now()); ; {
		select {
		case <-ctx.Done():
			p.seeItOut()
			return
		case <-p.busy:
		case <-time.After(next):
		}
		if os.Getppid() != p.Claude.PID {
			return
		}
		next = p.look(time.Now())
	}
}

// look drops requests that were abandoned, renews the leases of those under way, and returns when to look again.
func (p *partner) look(now time.Time) (next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.calls {
		switch {
		case c.abandoned(now):
			p.drop(id)
		case !c.sent.IsZero() && now.Sub(c.alive) > renew:
			c.alive = now
			c.place.Grows()
		}
	}
	if len(p.calls) == 0 {
		return tickIdle
	}
	return tick
}

// register sees to it that the state knows the sessions.
func (p *partner) register(now time.Time, s *turn.State, account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, one := range p.sessions {
		known := s.Sessions[id]
		if known == nil {
			known = &turn.Session{Since: now}
			if s.Sessions == nil {
				s.Sessions = make(map[string]*turn.Session)
			}
			s.Sessions[id] = known
		}
		known.Account, known.Process, known.Gate = account, p.Claude, one.Gate
		known.Dir, known.Transcript, known.Seen = one.Dir, one.Transcript, now
		if p.Notify && !p.unattended {
			if w, ok := known.NearsEnd(now, s.Open(account)); ok {
				p.near[id] = w
			}
		}
	}
	for id := range p.left {
		if known := s.Sessions[id]; known != nil && known.Process == p.Claude { // else another resumed it
			s.Leave(now, id)
		}
	}
}
