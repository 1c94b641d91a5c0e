package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

func none(string) string { return "" }

// What a setting is unless told otherwise, it takes; and all that help tells of it is there.
func TestEachSettingIsWhole(t *testing.T) {
	s, err := Load("/nowhere", none)
	if err != nil || len(s.Values()) != len(Table()) {
		t.Errorf("built in are %v, %v", s.Values(), err)
	}
	for _, one := range Table() {
		if !one.Accepts(one.Default) || s.Values()[one.Name] != (Value{one.Default, "built in"}) {
			t.Errorf("%s is %q by default, and in force is %+v", one.Name, one.Default, s.Values()[one.Name])
		}
		for _, word := range one.Words {
			if !one.Accepts(word) {
				t.Errorf("%s does not take %q", one.Name, word)
			}
		}
		if one.Value == "" || one.Help == "" || one.Takes == "" && one.Name != "claude" {
			t.Errorf("%s is not told of: %+v", one.Name, one)
		}
	}
	if s.MaxWait != 6*time.Hour || s.Rules.Resumes != 5 || s.Gateway != "auto" || !s.Resume || !s.Probe || !s.Notify || s.Off {
		t.Errorf("built in is %+v", s)
	}
}

// 1. A setting stands in the file. 2. The environment makes it anew. 3. A flag does. Each time the later is in force, and
// what the flag says reaches the environment of the session.
func TestTheLaterCountsBeforeTheEarlier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte("turns = 3\ngap = \"1s\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, none)
	if want := (Value{"3", path}); err != nil || s.Rules.Most != 3 || s.Values()["turns"] != want {
		t.Errorf("of the file: %+v, %v", s, err)
	}
	s, err = Load(path, func(name string) string { return map[string]string{"AFTERYOU_TURNS": "strict"}[name] })
	if want := (Value{"strict", "AFTERYOU_TURNS"}); err != nil || s.Rules.Most != 1 || s.Values()["turns"] != want || s.Rules.Gap != time.Second {
		t.Errorf("with a variable: %+v, %v", s, err)
	}
	if err := s.Set("turns", "7", "--turns"); err != nil || s.Rules.Most != 7 {
		t.Errorf("with a flag: %+v, %v", s, err)
	}
	if env := s.Export([]string{"A=b", "AFTERYOU_TURNS=strict", "AFTERYOU_TURNS="}); !slices.Equal(env, []string{"A=b", "AFTERYOU_TURNS=7"}) {
		t.Errorf("the session's environment is %q", env)
	}
	if missing, err := Missing(path); err != nil || slices.Contains(missing, "turns") || slices.Contains(missing, "gap") || len(missing) != len(Table())-2 {
		t.Errorf("the file lacks %q, %v", missing, err)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("turns = 3\ngap = \"1s\"\nmax_wait = \"1h\"", "resume", "off")
	f.Add("turns = -1\nnothing = {a = [1]}", "gap", "-2s")
	f.Add("[table]\nx", "turns", "strict")
	f.Add("off = true", "claude", "a\"b\\c\x1b\u202e")
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, file, name, value string) {
		own := fmt.Sprintf("%s.%d", path, os.Getpid())
		if err := os.WriteFile(own, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := Load(own, func(n string) string {
			if n == "AFTERYOU_"+strings.ToUpper(name) {
				return value
			}
			return ""
		})
		// Whatever is wrong, what holds is good; and written to a file it is the same, if it can be.
		for name, v := range s.Values() {
			if err := s.Set(name, v.Text, v.From); err != nil {
				t.Errorf("Load(%q, %s=%q) leaves %v", file, name, value, err)
			}
		}
		text := s.TOML(Names())
		if strings.ToValidUTF8(s.Claude, "") != s.Claude {
			return
		}
		if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Load(own, none)
		if err != nil {
			t.Fatalf("TOML gives\n%s\nwhich is %v", text, err)
		}
		for name, v := range again.Values() {
			if v.Text != s.Values()[name].Text {
				t.Errorf("%s was %q and is %q in\n%s", name, s.Values()[name].Text, v.Text, text)
			}
		}
	})
}

// A password in an address is used, and not shown.
func TestAPasswordIsNotShown(t *testing.T) {
	s, _ := Load("/nowhere", none)
	if err := s.Set("share", "redis://me:hidden@host:1/2", "file"); err != nil || s.Share != "redis://me:hidden@host:1/2" || !s.Rules.Shared {
		t.Fatalf("share is %q, %v", s.Share, err)
	}
	if text := s.TOML(Names()) + s.Values()["share"].Text; strings.Contains(text, "hidden") || !strings.Contains(text, "host:1/2") {
		t.Errorf("shown is %s", text)
	}
	for _, wrong := range []string{"http://host", "redis://", "redis://host/x", "unix://relative", "host:6379"} {
		if s.Set("share", wrong, "file") == nil {
			t.Errorf("it takes %q", wrong)
		}
	}
}

func TestQuietSetting(t *testing.T) {
	s, err := Load("/nowhere", none)
	if err != nil || s.Rules.Quiet != (turn.Quiet{}) {
		t.Errorf("by default quiet is %+v, %v; want none", s.Rules.Quiet, err)
	}
	if err := s.Set("quiet", "23:00-07:00", "--quiet"); err != nil || s.Rules.Quiet != (turn.Quiet{From: 23 * 60, To: 7 * 60}) {
		t.Errorf("quiet is %+v, %v", s.Rules.Quiet, err)
	}
	if !s.Rules.Quiet.Holds(time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC)) {
		t.Error("half past eleven is not quiet")
	}
	for _, value := range []string{"", "night", "23-7", "25:00-07:00", "23:00-23:00"} {
		err := s.Set("quiet", value, "--quiet")
		if want := `quiet is "` + value + `"; it takes hours such as "23:00-07:00", or "off"`; err == nil || err.Error() != want {
			t.Errorf("quiet %q: %v, want %s", value, err, want)
		}
	}
}

func TestStrayVariables(t *testing.T) {
	for variable, want := range map[string]string{
		"AFTERYOU_TURN=1":      "unknown setting AFTERYOU_TURN\nhint: did you mean AFTERYOU_TURNS?",
		"AFTERYOU_TURNS=1":     "",
		"AFTERYOU_SET=1":       "",
		"AFTERYOU_COLOUR=blue": "",
		"TURN=1":               "",
	} {
		got := ""
		if err := Stray([]string{"PATH=/bin", variable}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", variable, got, want)
		}
	}
}

// What runs in a session may set the environment: a command that we run is named by the file alone.
func TestTheFileAloneMakesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	env := func(name string) string {
		return map[string]string{"AFTERYOU_NOTIFY_COMMAND": "theirs", "AFTERYOU_SHARE": "redis://theirs", "AFTERYOU_SHARE_NAME": "theirs",
			"AFTERYOU_SHARE_SECRET_FILE": "theirs"}[name]
	}
	if s, _ := Load(path, env); s.NotifyCommand != "" || s.Share+s.ShareName+s.ShareSecretFile != "" || s.Rules.Shared {
		t.Errorf("the environment makes it %q, and %q", s.NotifyCommand, s.Share+s.ShareName+s.ShareSecretFile)
	}
	if err := os.WriteFile(path, []byte("notify_command = \"mine\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(path, env); err != nil || s.NotifyCommand != "mine" {
		t.Errorf("the file makes it %q, %v", s.NotifyCommand, err)
	}
}
