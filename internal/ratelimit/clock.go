package ratelimit

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a zone is named in a text whether or not this machine has it
)

// moment is what the wordings write behind "resets" and the like:
//
//	6:12pm (UTC)    5am    18:12 (Europe/Berlin)    Mon 12:00am
//	Jul 15 at 12am (Australia/Melbourne)    Sep 21, 6pm (America/Toronto)    Jan 3, 2027, 6:30pm (UTC)
//
// Behind it comes the end of the sentence or of the line's part. Claude Code itself (2.0.76 to 2.1.330) writes the time
// alone for the next 24 hours, else the date, with a year where it is not the current one; it drops the seconds, and the
// minutes where they are 0.
var moment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:at )?` +
		`(?:(?P<weekday>Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?` +
		`(?:(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6} (?P<day>\d{1,2})(?:, (?P<year>20\d\d))?(?:,| at)? )?` +
		`(?:at )?` +
		`(?:(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d))?[ \x{202f}\x{a0}]?(?P<half>[AaPp])\.?[Mm]\.?|(?P<hour24>[01]?\d|2[0-3]):(?P<minute24>[0-5]\d))` +
		`(?: \((?P<zone>[A-Za-z0-9_+\-/:]{1,64})\))?` +
		`(?:\)?\.?$|\)?\.? [^(]| ?[·∙])`)
})

const weekdays, months = "SunMonTueWedThuFriSat", "JanFebMarAprMayJunJulAugSepOctNovDec"

// late is how long ago a time of day may be that a text names, and not be tomorrow's: a text drops the seconds, and may
// be read a moment after it was written.
const late = 5 * time.Minute

// at reads the moment at the start of text, which was written at now on a machine in zone local. The moment lies in
// the span that begins at from. It reports false for what names no moment: a date alone, an hour that does not exist in
// its zone on that day, a zone that nobody knows.
//
// A time without a date is the next such time, a weekday the next such day, and a date without a year that which is
// nearest to now. In the hour that the clocks show twice it may be either.
func at(text string, now time.Time, local *time.Location) (from time.Time, span time.Duration, ok bool) {
	m := moment().FindStringSubmatch(text)
	if m == nil || now.IsZero() {
		return time.Time{}, 0, false
	}
	part := func(name string) string { return m[moment().SubexpIndex(name)] }
	number := func(name string) int {
		n, _ := strconv.Atoi(part(name)) // the pattern lets digits through, and nothing
		return n
	}
	hour, minute := number("hour24"), number("minute24")
	if half := part("half"); half != "" {
		hour, minute = number("hour"), number("minute")
		if hour < 1 || hour > 12 {
			return time.Time{}, 0, false
		}
		hour %= 12
		if half == "p" || half == "P" {
			hour += 12
		}
	}
	zone, ok := location(part("zone"), local)
	if !ok {
		return time.Time{}, 0, false
	}
	today := now.In(zone)
	var found []time.Time
	add := func(year int, month time.Month, day int) {
		found = append(found, instants(year, month, day, hour, minute, zone)...)
	}
	month := time.Month(strings.Index(months, part("month"))/3 + 1)
	day := number("day")
	switch {
	case part("month") == "":
		for d := -1; d <= 8; d++ {
			add(today.Year(), today.Month(), today.Day()+d)
		}
	case part("year") != "":
		add(number("year"), month, day)
	default:
		year, off := 0, time.Duration(0)
		for y := today.Year() - 1; y <= today.Year()+1; y++ {
			d := time.Date(y, month, day, hour, minute, 0, 0, zone).Sub(now).Abs()
			if exists(y, month, day) && (year == 0 || d < off) {
				year, off = y, d
			}
		}
		if year != 0 {
			add(year, month, day)
		}
	}
	if part("year") != "" && !exists(number("year"), month, day) {
		return time.Time{}, 0, false
	}
	best := -1
	for i, t := range found {
		if name := part("weekday"); name != "" && !strings.EqualFold(t.In(zone).Format("Mon"), name) {
			continue
		}
		switch {
		case part("month") != "":
			if best < 0 || t.Sub(now).Abs() < found[best].Sub(now).Abs() {
				best = i
			}
		case !t.Before(now.Add(-late)):
			if best < 0 {
				best = i
			}
		}
	}
	if best < 0 {
		return time.Time{}, 0, false
	}
	// Of two that the clock shows alike the earlier begins the span and the later ends it.
	from, to := found[best], found[best]
	for _, t := range found {
		if d := t.Sub(found[best]); d.Abs() > 0 && d.Abs() < 6*time.Hour {
			if t.Before(from) && (part("month") != "" || !t.Before(now.Add(-late))) {
				from = t
			}
			if t.After(to) {
				to = t
			}
		}
	}
	if from.Sub(now).Abs() > maxWait {
		return time.Time{}, 0, false
	}
	return from, to.Sub(from) + time.Minute, true
}

// instants are the moments at which the clocks of a zone show that time on that day: mostly one, none where they are put
// forward over it, two where they are put back over it. They are in order.
func instants(year int, month time.Month, day, hour, minute int, zone *time.Location) []time.Time {
	shown := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	var found []time.Time
	// The offset that holds is that of the day before or that of the day after.
	for _, near := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		_, offset := shown.Add(near).In(zone).Zone()
		t := shown.Add(-time.Duration(offset) * time.Second)
		_, real := t.In(zone).Zone()
		if real == offset && (len(found) == 0 || !found[0].Equal(t)) {
			found = append(found, t)
		}
	}
	if len(found) == 2 && found[1].Before(found[0]) {
		found[0], found[1] = found[1], found[0]
	}
	return found
}

// exists is whether the calendar has that day.
func exists(year int, month time.Month, day int) bool {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return t.Month() == month && t.Day() == day
}

// location is the zone of that name: one of the zone database, an offset such as "+05:30", or local where none is named.
func location(name string, local *time.Location) (*time.Location, bool) {
	switch {
	case name == "":
		return local, local != nil
	case name == "Local":
		return nil, false
	case name[0] == '+' || name[0] == '-':
		t, err := time.Parse("-07:00", name)
		if err != nil {
			return nil, false
		}
		_, offset := t.Zone()
		return time.FixedZone(name, offset), true
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}
