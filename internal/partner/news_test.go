package partner

import (
	"testing"
	"time"
)

// Who came after a partner that died was not told of the session.
func TestNewsOfASessionThatNobodyNamed(t *testing.T) {
	t.Parallel()
	p := newPartner(newConfig(newStore(t), func(c *Config) { c.Notify = true }))
	defer p.gate.Close()
	p.sessions["a"] = session{Dir: "/home/me/wo\x1brk"}
	since := time.Now().Add(-2 * time.Minute)
	for id, want := range map[string]string{"a": "work goes on after 2m0s", "b": "the session goes on after 2m0s"} {
		if got := p.news(id, "", since, ""); got != want {
			t.Errorf("news of %s: %q, want %q", id, got, want)
		}
	}
}
