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

// own begins the name of a file that belongs to one process; the rest of it names the process, as the state does.
const own = "settings-"

const (
	// young is how long such a file is left alone whoever it belongs to,
	young = time.Minute
	// old for how long it is if nobody here can tell whether its process lives.
	old = 7 * 24 * time.Hour
)

// Settings is where this process, and the program that takes its place, keeps its settings. Whoever writes the file removes
// it at the end of the session, if it is there to see that.
func (s *Store) Settings() string {
	name, err := json.Marshal(Self())
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return filepath.Join(s.dir, own+base64.RawURLEncoding.EncodeToString(name)+".json")
}

// Sweep removes the settings of processes that are gone: secrets may stand in them. It takes no lock.
func (s *Store) Sweep() {
	entries, _ := os.ReadDir(s.dir) // none: nothing to remove
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), own)
		if !ok {
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
