package lockfile

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/turn"
)

// settings begins the name of a process' settings.
const settings = "settings-"

const (
	// young is how long such a file is left alone whoever it belongs to,
	young = time.Minute
	// old for how long it is if nobody here can tell whether its process lives.
	old = 7 * 24 * time.Hour
)

// Settings is where this process, and the program that takes its place, keeps its settings. Whoever writes the file removes
// it at the end of the session, if it is there to see that.
func (s *Store) Settings() string { return s.own(settings, Self()) + ".json" }

// own is the path of a file that belongs to one process; behind the mark it names the process, as the state does.
func (s *Store) own(mark string, p turn.Process) string {
	name, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return filepath.Join(s.dir, mark+base64.RawURLEncoding.EncodeToString(name))
}

// Sweep removes the settings, in which secrets may stand, and the bells of processes that are gone. It takes no lock.
func (s *Store) Sweep() {
	entries, _ := os.ReadDir(s.dir) // none: nothing to remove
	for _, e := range entries {
		mark, name, _ := strings.Cut(e.Name(), "-")
		if mark += "-"; mark != settings && mark != bellMark {
			continue
		}
		name, _, _ = strings.Cut(name, ".")
		var p turn.Process
		data, err := base64.RawURLEncoding.DecodeString(name)
		if err == nil {
			err = json.Unmarshal(data, &p)
		}
		fi, gone := e.Info()
		if err != nil || gone != nil {
			continue
		}
		if age := time.Since(fi.ModTime()); age > young && !Alive(p) || age > old && p.Host != here() {
			os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}
