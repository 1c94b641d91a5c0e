package turn

import (
	"fmt"
	"strings"
	"time"
)

// Quiet are hours of the day in which no session is made to go on: from minute From since midnight up to minute To, over
// midnight where To is the smaller. The zero Quiet is no hour. They go by the clock on the wall, in the zone of the times
// that they are asked about: an hour that the clock shows twice is quiet twice, one that it skips is not there.
type Quiet struct{ From, To int }

// ParseQuiet reads hours such as "23:00-07:00"; "off" is none.
func ParseQuiet(s string) (Quiet, error) {
	if s == "off" {
		return Quiet{}, nil
	}
	first, last, _ := strings.Cut(s, "-")
	from, err := time.Parse("15:04", first)
	if err != nil {
		return Quiet{}, err
	}
	to, err := time.Parse("15:04", last)
	if err != nil {
		return Quiet{}, err
	}
	r := Quiet{from.Hour()*60 + from.Minute(), to.Hour()*60 + to.Minute()}
	if r.From == r.To {
		return Quiet{}, fmt.Errorf("%q begins when it ends", s)
	}
	return r, nil
}

// Holds says whether t lies in the hours.
func (q Quiet) Holds(t time.Time) bool {
	m := t.Hour()*60 + t.Minute()
	if q.From <= q.To {
		return q.From <= m && m < q.To
	}
	return q.From <= m || m < q.To
}

// After is the first time from t on that does not lie in the hours.
func (q Quiet) After(t time.Time) time.Time {
	for q.Holds(t) { // a day has 1440 minutes, and no rule of a zone is finer
		t = t.Truncate(time.Minute).Add(time.Minute)
	}
	return t
}
