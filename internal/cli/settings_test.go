package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

func FuzzSettings(f *testing.F) {
	f.Add("turns = 3\ngap = \"1s\"\nmax_wait = \"1h\"", "resume", "off")
	f.Add("turns = -1\nnothing = {a = [1]}", "gap", "-2s")
	f.Add("[table]\nx", "turns", "strict")
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, file, name, value string) {
		own := fmt.Sprintf("%s.%d", path, os.Getpid())
		if err := os.WriteFile(own, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := loadSettings(own, func(n string) string {
			if n == "AFTERYOU_"+strings.ToUpper(name) {
				return value
			}
			return ""
		})
		// Whatever is wrong, what holds is good.
		for _, name := range names {
			if err := s.set(name, s.get(name)); err != nil {
				t.Errorf("loadSettings(%q, %s=%q) leaves %v", file, name, value, err)
			}
		}
	})
}

func TestQuietSetting(t *testing.T) {
	none := func(string) string { return "" }
	s, err := loadSettings("/nowhere", none)
	if err != nil || s.rules().Quiet != (turn.Quiet{}) {
		t.Errorf("by default quiet is %+v, %v; want none", s.rules().Quiet, err)
	}
	if err := s.set("quiet", "23:00-07:00"); err != nil || s.rules().Quiet != (turn.Quiet{From: 23 * 60, To: 7 * 60}) {
		t.Errorf("quiet is %+v, %v", s.rules().Quiet, err)
	}
	if !s.rules().Quiet.Holds(time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC)) {
		t.Error("half past eleven is not quiet")
	}
	for _, value := range []string{"", "night", "23-7", "25:00-07:00", "23:00-23:00"} {
		err := s.set("quiet", value)
		if want := `quiet is "` + value + `"; it takes hours such as "23:00-07:00", or "off"`; err == nil || err.Error() != want {
			t.Errorf("quiet %q: %v, want %s", value, err, want)
		}
	}
}
