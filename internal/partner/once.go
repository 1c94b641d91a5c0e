package partner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"afteryou/internal/gate"
)

// Once answers one word of the module and ends, for where no partner can be asked. What a request has of the line is kept for the
// next word. It blocks until the request may be sent, or until ctx ends, and then gives back what it has.
func Once(ctx context.Context, c Config, in io.Reader, out io.Writer) error {
	var m struct {
		Word string `json:"word"`
		message
	}
	if err := json.NewDecoder(in).Decode(&m); err != nil {
		return fmt.Errorf("reading what the module says: %w", err)
	}
	p := newPartner(c)
	defer p.gate.Close()
	if m.Word != "ask" {
		p.mu.Lock()
		under := p.join(m.message)
		under.sent, under.side = time.UnixMilli(int64(m.Sent)), true // when its answer ends nobody tells, nor may its turn rest
		under.cancel = func() {}
		p.mu.Unlock()
	}
	answer := p.serve(ctx, m.Word, m.message)
	for ctx.Err() == nil && !answer.Go && (m.Word == "ask" && answer.Verdict == "" || answer.Verdict == gate.Again) {
		next := p.serve(ctx, "ask", m.message)
		if answer.Go = next.Go; m.Word == "ask" {
			answer = next
		}
	}
	p.mu.Lock()
	if c := p.calls[m.ID]; c != nil && ctx.Err() == nil {
		c.place.Detach()
	}
	p.mu.Unlock()
	return json.NewEncoder(out).Encode(answer)
}
