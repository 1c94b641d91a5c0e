package lockfile

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/turn"
)

// own begins the name of a file that belongs to one process; the rest of it names the process, as the state does.
const own = "settings-"

// young is how long such a file is left alone whoever it belongs to.
const young = time.Minute

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
		if err == nil && gone == nil && !Alive(p) && time.Since(fi.ModTime()) > young {
			os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}
