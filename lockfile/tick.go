package lockfile

import (
	"context"
	"time"
)

// tick sleeps for d, or until ctx ends.
func tick(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
