package cli

import (
	"fmt"
	"time"

	"afteryou/internal/turn"
)

// windowReport is a window of a subscription, of all sessions of the account.
type windowReport struct {
	Name   string  `json:"name"`
	Status string  `json:"status,omitempty"`
	Used   float64 `json:"used"` // 0 to 1
	*reset
	UsedUp time.Time `json:"used_up_at,omitzero"` // at the present pace; not told where it lasts
}

// windowsOf are those of an account, as its sessions were told.
func windowsOf(a *turn.Account, now time.Time) (list []windowReport) {
	for _, w := range a.Open(now) {
		list = append(list, windowReport{Name: w.Name, Used: w.Used, reset: &reset{w.ResetsAt, w.ResetsAt.Sub(now).Seconds()}, UsedUp: w.UsedUp().UTC().Truncate(time.Second)})
	}
	return list
}

// String tells of a window for a line of its own.
func (w windowReport) String() string {
	now := w.At.Add(-time.Duration(w.In * float64(time.Second)))
	text := fmt.Sprintf("%s: %.0f %% used, resets %s, in %s", w.Name, 100*w.Used, clock(w.At, now), span(w.In))
	if !w.UsedUp.IsZero() {
		text += "; at this pace used up " + clock(w.UsedUp, now)
	}
	return text
}

// segment tells of it in a few words.
func (w windowReport) segment(now time.Time) string {
	text := fmt.Sprintf("%s %.0f %%", w.Name, 100*w.Used)
	if w.UsedUp.After(now) {
		text += ", used up " + soon(w.UsedUp, now)
	}
	return text + ", resets " + soon(w.At, now)
}

// soon is a time of the next days, to the minute.
func soon(t, now time.Time) string {
	if t.Sub(now) < 20*time.Hour {
		return t.Local().Format("15:04")
	}
	return t.Local().Format("Mon 15:04")
}
