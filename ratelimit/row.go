package ratelimit

import "time"

// Row reads one line of a transcript. It reports false for a row that says nothing of a limit, such as the retry
// after a lost connection.
func Row(line []byte) (Limit, time.Time, bool) { return Limit{}, time.Time{}, false }
