package launch

import (
	"path/filepath"
	"testing"
	"time"

	"afteryou/claude"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

func TestTypistIsForVersionsThatCanNotBeWoken(t *testing.T) {
	old, woken := claude.Version{Major: 2, Minor: 0, Patch: 76}, claude.Version{Major: 2, Minor: 1, Patch: 78}
	l := Launch{Resume: true, Store: store(t)}
	for _, tt := range []struct {
		name    string
		l       Launch
		version claude.Version
		args    []string
		want    bool
	}{
		{"an old version", l, old, []string{"hello"}, true},
		{"one whose hooks wake it", l, woken, []string{"hello"}, false},
		{"an unknown version", l, claude.Version{}, []string{"hello"}, false},
		{"a session that is continued", l, old, []string{"--continue"}, false},
		{"resume is off", Launch{Store: l.Store}, old, nil, false},
		{"no state", Launch{Resume: true}, old, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd, o := wrapper.Command{Args: append([]string{"claude"}, tt.args...)}, wrapper.Options{}
			ty := tt.l.typist(&cmd, tt.version, &o)
			if (ty != nil) != tt.want || (o.Keys != nil) != tt.want || (len(cmd.Args) > len(tt.args)+1) != tt.want {
				t.Errorf("typist is %v with %q, want one: %v", ty, cmd.Args, tt.want)
			}
		})
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
