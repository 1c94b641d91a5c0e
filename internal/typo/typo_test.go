package typo

import "testing"

func TestNearest(t *testing.T) {
	for _, tt := range []struct {
		word  string
		known []string
		want  string
	}{
		{"statsu", []string{"run", "status", "statusline"}, "status"},
		{"-jsno", []string{"--watch", "--json"}, "--json"},
		{"--dryrun", []string{"--dir", "--dry-run"}, "--dry-run"},
		{"max-wait", []string{"max_resumes", "max_wait"}, "max_wait"},
		{"GATWAY", []string{"gap", "gateway"}, "gateway"},
		{"foo", []string{"log", "run"}, ""},
		{"colour", []string{"claude", "turns"}, ""},
		{"", []string{"log"}, ""},
		{"x", []string{"log"}, ""},
	} {
		if got, ok := Nearest(tt.word, tt.known); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Nearest(%q, %q) = %q, %v; want %q", tt.word, tt.known, got, ok, tt.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	known := []string{"status", "log"}
	for word, want := range map[string]string{
		"statsu": "unknown command \"statsu\"\nhint: did you mean \"status\"?",
		"dance":  "unknown command \"dance\"; there are two",
	} {
		if got := Unknown("command", word, known, "; there are two").Error(); got != want {
			t.Errorf("Unknown(%q) = %q, want %q", word, got, want)
		}
	}
}
