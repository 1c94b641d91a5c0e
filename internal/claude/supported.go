package claude

import "fmt"

// Oldest returns the first version that is supported: that of a year ago. 2.0.55 was published on 2025-11-27, and this was set on
// 2026-11-27; CONTRIBUTING.md says how it is moved.
func Oldest() Version { return Version{2, 0, 55} }

// Supported returns an error, with its hint, for a version older than Oldest: its sessions take no turns. The zero Version counts
// as the newest.
func (v Version) Supported() error {
	if v.IsZero() || v.AtLeast(Oldest()) {
		return nil
	}
	return fmt.Errorf("sessions of Claude Code %v take no turns: it is older than %v (12 months)\nhint: claude update", v, Oldest())
}
