package lockfile

import (
	"context"
	"time"
)

// bell is a clock: kqueue(2) would have to watch each replaced file anew, and a stat costs microseconds.
type bell struct{}

func newBell(string) *bell { return &bell{} }

// wait blocks for the shorter of most and every, or until ctx ends.
func (*bell) wait(ctx context.Context, most, every time.Duration) { tick(ctx, min(most, every)) }

func (*bell) close() {}
