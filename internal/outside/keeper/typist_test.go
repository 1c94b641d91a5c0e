package keeper

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

func TestTypistNamesTheSessionsOfOldVersions(t *testing.T) {
	old, woken := claude.Version{Major: 2, Minor: 0, Patch: 76}, claude.Version{Major: 2, Minor: 1, Patch: 78}
	k := Keeper{Resume: true, Store: store(t)}
	for _, tt := range []struct {
		name    string
		k       Keeper
		version claude.Version
		args    []string
		want    bool
		named   bool
	}{
		{"an old version", k, old, []string{"hello"}, true, true},
		{"one whose hooks may wake it", k, woken, []string{"hello"}, true, false},
		{"an unknown version", k, claude.Version{}, []string{"hello"}, true, false},
		{"a session that is continued", k, old, []string{"--continue"}, false, false},
		{"one that is continued and may be woken", k, woken, []string{"--continue"}, true, false},
		{"resume is off", Keeper{Store: k.Store}, old, nil, false, false},
		{"no state", Keeper{Resume: true}, old, nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.k
			k.Cmd, k.Version = wrapper.Command{Args: append([]string{"claude"}, tt.args...)}, tt.version
			ty := k.typist()
			if (ty != nil) != tt.want || (len(k.Cmd.Args) > len(tt.args)+1) != tt.named {
				t.Errorf("typist is %v with %q, want one: %v; with a name: %v", ty, k.Cmd.Args, tt.want, tt.named)
			}
		})
	}
}

// A session that a hook tells of is not the typist's.
func TestTypistLeavesSessionsToTheirHooks(t *testing.T) {
	home := t.TempDir()
	k := Keeper{Resume: true, Store: store(t), Cmd: wrapper.Command{Args: []string{"claude"}}, Getenv: func(name string) string {
		return map[string]string{"HOME": home}[name]
	}}
	ty := k.typist()
	write := func(content string) {
		t.Helper()
		file := filepath.Join(home, ".claude", "sessions", "77.json")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what, want string) {
		t.Helper()
		if name, hooked := ty.session(77); name != want || hooked {
			t.Errorf("%s: session %q, hooked %v; want %q", what, name, hooked, want)
		}
	}
	is("nothing is known of the process", "")
	write(`{"pid":77,"sessionId":"s","kind":"interac`)
	is("half a file", "")
	write(`{"pid":78,"sessionId":"s","kind":"interactive"}`)
	is("another process", "")
	write(`{"pid":77,"sessionId":"s","kind":"interactive"}`)
	is("no hook tells of it", "s")
	v, err := k.Store.Update(t.Context(), func(s *turn.State) error {
		s.Sessions = map[string]*turn.Session{"s": {}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if _, hooked := ty.session(77); !hooked {
		t.Error("a hook tells of the session, and the typist takes it")
	}
}

func TestTypistKeepsAwayFromAPerson(t *testing.T) {
	sent := time.Now()
	died := claude.Stopped{Prompted: sent}
	ty := &typist{}
	if ty.untouched(claude.Stopped{}) {
		t.Error("untouched, though nobody knows since when")
	}
	if !ty.untouched(died) {
		t.Error("touched without a key")
	}
	ty.key([]byte("\r"))
	died.Prompted = time.Now().Add(-submitted / 2)
	if !ty.untouched(died) {
		t.Error("the key that sent the prompt counts")
	}
	if ty.key([]byte("a draft")); ty.untouched(died) {
		t.Error("untouched, though a draft was begun right after the prompt")
	}
	ty.key([]byte("\r"))
	died.Prompted = time.Now().Add(-time.Minute)
	if ty.untouched(died) {
		t.Error("untouched, though a key was pressed after the prompt")
	}
	ty = &typist{}
	if ty.key([]byte("\x1b[I\x1b[O")); !ty.untouched(died) {
		t.Error("the focus counts as a key")
	}
	if ty.key(nil); ty.untouched(died) {
		t.Error("untouched, though some keys were not seen")
	}
}

func store(t *testing.T) *lockfile.Store {
	t.Helper()
	s, err := lockfile.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
