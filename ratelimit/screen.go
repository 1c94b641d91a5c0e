package ratelimit

// Screen reads one rendered line of Claude Code's live area. Lines of a conversation that quote such a line do not match.
func Screen(text string) (Limit, bool) { return Limit{}, false }

// Stream looks for limits in a copy of the bytes that Claude Code writes to its terminal. The zero value is ready.
// It keeps a few kilobytes at most and is not safe for concurrent use.
type Stream struct{}

// Feed takes the next bytes, split anywhere, and returns the last limit they complete.
func (s *Stream) Feed(p []byte) (Limit, bool) { return Limit{}, false }
