package turn

import (
	"testing"
	"time"
)

func TestQuietHours(t *testing.T) {
	for _, tt := range []struct {
		zone, hours, now, want string
	}{
		{"UTC", "off", "2026-11-23 23:30:00", "2026-11-23 23:30:00 +0000"},
		{"UTC", "23:00-07:00", "2026-11-23 22:59:59", "2026-11-23 22:59:59 +0000"},
		{"UTC", "23:00-07:00", "2026-11-23 23:00:00", "2026-11-24 07:00:00 +0000"},
		{"UTC", "23:00-07:00", "2026-12-31 23:30:10", "2027-01-01 07:00:00 +0000"},
		{"UTC", "23:00-07:00", "2026-11-24 06:59:59", "2026-11-24 07:00:00 +0000"},
		{"UTC", "23:00-07:00", "2026-11-24 07:00:00", "2026-11-24 07:00:00 +0000"},
		{"UTC", "9:00-17:30", "2026-11-24 17:29:00", "2026-11-24 17:30:00 +0000"},
		{"UTC", "09:00-17:30", "2026-11-24 08:59:00", "2026-11-24 08:59:00 +0000"},
		{"UTC", "00:00-23:59", "2026-11-24 00:00:00", "2026-11-24 23:59:00 +0000"},
		{"UTC", "22:00-00:00", "2026-11-24 23:59:00", "2026-11-25 00:00:00 +0000"},
		{"Asia/Kathmandu", "23:00-07:00", "2026-11-24 01:00:00", "2026-11-24 07:00:00 +0545"},
		// The clock is put forward from 2:00 to 3:00, and back from 2:00 to 1:00: the night has 7 hours, and 9.
		{"America/New_York", "23:00-07:00", "2026-03-07 23:00:00", "2026-03-08 07:00:00 -0400"},
		{"America/New_York", "23:00-07:00", "2026-10-31 23:00:00", "2026-11-01 07:00:00 -0500"},
		{"America/New_York", "23:00-02:30", "2026-03-08 01:00:00", "2026-03-08 03:00:00 -0400"}, // 2:30 is not there
		{"America/New_York", "23:00-01:30", "2026-11-01 00:00:00", "2026-11-01 01:30:00 -0400"}, // the first of two
		{"Australia/Lord_Howe", "01:00-02:15", "2026-10-04 01:30:00", "2026-10-04 02:30:00 +1100"},
	} {
		q, err := ParseQuiet(tt.hours)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.ParseInLocation(time.DateTime, tt.now, zone)
		if err != nil {
			t.Fatal(err)
		}
		after := q.After(now)
		if got := after.Format("2006-01-02 15:04:05 -0700"); got != tt.want {
			t.Errorf("quiet %s, %s in %s: goes on at %s, want %s", tt.hours, tt.now, tt.zone, got, tt.want)
		}
		if q.Holds(after) || q.Holds(now) != after.After(now) {
			t.Errorf("quiet %s, %s in %s: holds %v, and at the end %v", tt.hours, tt.now, tt.zone, q.Holds(now), q.Holds(after))
		}
	}
}

func TestQuietHoursThatAreNone(t *testing.T) {
	for _, s := range []string{"", "on", "23:00", "23-7", "24:00-07:00", "23:00-07:60", "23:00-23:00", "-1:00-07:00", "23:00-07:00 ", "23:00-07:00x", "23:00 - 07:00", "023:00-07:00"} {
		if q, err := ParseQuiet(s); err == nil {
			t.Errorf("ParseQuiet(%q) = %v, want an error", s, q)
		}
	}
}
