package ratelimit

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a zone is named in a text whether or not this machine has it
)

// moment is a time as the wordings write it behind "resets" and the like:
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

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// late is how long ago a time of day may be that a text names, and not be tomorrow's: a text drops the seconds, and may
// be read a moment after it was written.
const late = 5 * time.Minute

// at reads the moment at the start of text, which was written at now on a machine in zone local. The moment lies in the
// span that begins at from. It is not ok for a date alone, an hour that does not exist in its zone on that day, a zone that
// nobody knows.
//
// A time without a date is the next such time, a weekday the next such day, and a date without a year that which is
// nearest to now. In the hour that the clocks show twice it may be either.
func at(text string, now time.Time, local *time.Location) (from time.Time, span time.Duration, ok bool) {
	d, ok := readDate(text, local)
	if !ok || now.IsZero() {
		return time.Time{}, 0, false
	}
	found := d.instants(now)
	chosen, ok := d.choose(found, now)
	if !ok || chosen.Sub(now).Abs() > maxWait {
		return time.Time{}, 0, false
	}
	from, to := chosen, chosen
	// Of two that the clock shows alike the earlier begins the span and the later ends it.
	for _, t := range found {
		if t.Sub(chosen).Abs() < 6*time.Hour {
			if t.Before(from) && d.may(t, now) {
				from = t
			}
			if t.After(to) {
				to = t
			}
		}
	}
	return from, to.Sub(from) + time.Minute, true
}

// date is a time of day as a text names it, and of the day what it names.
type date struct {
	weekday      string     // "" where none is named
	month        time.Month // 0 where no day of a month is named
	day, year    int        // year is 0 where none is named
	hour, minute int
	zone         *time.Location
}

// readDate reads the moment at the start of text.
func readDate(text string, local *time.Location) (d date, ok bool) {
	m := moment().FindStringSubmatch(text)
	if m == nil {
		return d, false
	}
	part := func(name string) string { return m[moment().SubexpIndex(name)] }
	number := func(name string) int {
		n, _ := strconv.Atoi(part(name)) // the pattern lets digits through, and nothing
		return n
	}
	d = date{weekday: part("weekday"), day: number("day"), year: number("year"), hour: number("hour24"), minute: number("minute24")}
	if half := part("half"); half != "" {
		d.hour, d.minute = number("hour"), number("minute")
		if d.hour < 1 || d.hour > 12 {
			return d, false
		}
		d.hour %= 12
		if half == "p" || half == "P" {
			d.hour += 12
		}
	}
	if month := part("month"); month != "" {
		d.month = time.Month(strings.Index(months, month)/3 + 1)
	}
	d.zone, ok = location(part("zone"), local)
	return d, ok
}

// instants returns the moments that d may be when it is written at now, in order.
func (d date) instants(now time.Time) (found []time.Time) {
	today := now.In(d.zone)
	if d.month == 0 {
		for off := -1; off <= 8; off++ {
			found = append(found, instants(today.Year(), today.Month(), today.Day()+off, d.hour, d.minute, d.zone)...)
		}
		return found
	}
	years := []int{d.year}
	if d.year == 0 {
		years = []int{today.Year() - 1, today.Year(), today.Year() + 1}
	}
	years = slices.DeleteFunc(years, func(year int) bool { return !exists(year, d.month, d.day) })
	if len(years) == 0 {
		return nil
	}
	nearest := slices.MinFunc(years, func(a, b int) int {
		off := func(year int) time.Duration {
			return time.Date(year, d.month, d.day, d.hour, d.minute, 0, 0, d.zone).Sub(now).Abs()
		}
		return cmp.Compare(off(a), off(b))
	})
	return instants(nearest, d.month, d.day, d.hour, d.minute, d.zone)
}

// may reports whether d, written at now, may be t: only a date may be past.
func (d date) may(t, now time.Time) bool { return d.month != 0 || !t.Before(now.Add(-late)) }

// choose returns the one of the moments that d is: of a date the nearest to now, of a time of day the first to come.
func (d date) choose(found []time.Time, now time.Time) (best time.Time, ok bool) {
	for _, t := range found {
		if d.weekday != "" && !strings.EqualFold(t.In(d.zone).Format("Mon"), d.weekday) || !d.may(t, now) {
			continue
		}
		if !ok || d.month != 0 && t.Sub(now).Abs() < best.Sub(now).Abs() {
			best, ok = t, true
		}
	}
	return best, ok
}

// instants returns the moments at which the clocks of a zone show that time on that day, in order: mostly one, none where
// they are put forward over it, two where they are put back over it.
func instants(year int, month time.Month, day, hour, minute int, zone *time.Location) []time.Time {
	shown := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	var found []time.Time
	// The offset that holds is that of the day before or that of the day after.
	for _, away := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		_, offset := shown.Add(away).In(zone).Zone()
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

// exists reports whether the calendar has that day.
func exists(year int, month time.Month, day int) bool {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return t.Month() == month && t.Day() == day
}

// location returns the zone of that name: one of the zone database, an offset such as "+05:30", or local where none is
// named.
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
