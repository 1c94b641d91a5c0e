// Package organization keeps, beside the state, what the Rate Limits API told of an organization's limits: which models share one, and how
// much each allows. It asks nobody, and knows no key.
package organization

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"afteryou/internal/limit"
)

const (
	// fresh is for how long nobody asks again.
	fresh = 24 * time.Hour
	// believed is for how long it is believed: limits change seldom, and a wrong list is worse than none.
	believed = 30 * 24 * time.Hour
	// maxFile bounds what is read of a file, in bytes.
	maxFile = 1 << 20
)

// Told is what was told of the organization that pays for an account.
type Told struct {
	Source string       `json:"source"` // base URL
	At     time.Time    `json:"at"`
	Groups limit.Groups `json:"groups"`
}

// Fresh reports whether it was told lately enough that nobody asks again.
func (t Told) Fresh(now time.Time) bool { return now.Sub(t.At).Abs() < fresh }

func path(dir, account string) string { return filepath.Join(dir, "organization-"+account+".json") }

// Read returns what is kept in a directory of an account; false: nothing that can be believed.
func Read(dir, account string, now time.Time) (t Told, ok bool) {
	name := path(dir, account)
	fi, err := os.Stat(name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxFile {
		return t, false
	}
	data, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(data, &t) != nil || now.Sub(t.At).Abs() > believed {
		return Told{}, false
	}
	for _, g := range t.Groups {
		if len(g.Models) == 0 || !limit.Within(g.Requests, 0, limit.MostLimit) {
			return Told{}, false
		}
	}
	return t, true
}

// Write keeps it. A crash leaves what was kept before, or this.
func (t Told) Write(dir, account string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	name := path(dir, account)
	if err = os.WriteFile(name+".tmp", data, 0o600); err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err != nil {
		return fmt.Errorf("keeping the organization's limits: %w", err)
	}
	return nil
}
