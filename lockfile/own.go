package lockfile

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/turn"
)

// What begins the names of a process' settings, and of its private directory.
const (
	settings = "settings-"
	private  = "in-"
)

const (
	// young is how long such a file is left alone whoever it belongs to,
	young = time.Minute
	// old for how long it is if nobody here can tell whether its process lives.
	old = 7 * 24 * time.Hour
)

// Settings is where this process, and the program that takes its place, keeps its settings. Whoever writes the file removes
// it at the end of the session, if it is there to see that.
func (s *Store) Settings() string { return s.own(settings, Self()) + ".json" }

// Private makes a directory for one process, which nobody but the user can enter and whose name nobody can guess. The caller
// removes it. Its path is short, for a socket in it.
func (s *Store) Private() (dir string, err error) {
	self := Self()
	host := strings.ReplaceAll(string(self.Host), "/", ".")
	dir = filepath.Join(s.dir, fmt.Sprintf("%s%d-%d-%s-%s", private, self.PID, self.Start, host, rand.Text()[:12]))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a private directory: %w", err)
	}
	return dir, nil
}

// ownerOf is the process that a name in the directory belongs to, behind its mark.
func ownerOf(mark, name string) (p turn.Process, ok bool) {
	switch mark {
	case settings, bellMark:
		name, _, _ = strings.Cut(name, ".")
		data, err := base64.RawURLEncoding.DecodeString(name)
		return p, err == nil && json.Unmarshal(data, &p) == nil
	case private:
		var host string
		n, _ := fmt.Sscanf(strings.ReplaceAll(name, "-", " "), "%d %d %s", &p.PID, &p.Start, &host)
		p.Host = turn.Host(strings.ReplaceAll(host, ".", "/"))
		return p, n == 3
	}
	return p, false
}

// own is the path of a file that belongs to one process; behind the mark it names the process, as the state does.
func (s *Store) own(mark string, p turn.Process) string {
	name, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return filepath.Join(s.dir, mark+base64.RawURLEncoding.EncodeToString(name))
}

// Sweep removes the settings, in which secrets may stand, the bells and the private directories of processes that are gone. It takes no lock.
func (s *Store) Sweep() {
	entries, _ := os.ReadDir(s.dir) // none: nothing to remove
	for _, e := range entries {
		mark, name, _ := strings.Cut(e.Name(), "-")
		p, ok := ownerOf(mark+"-", name)
		fi, gone := e.Info()
		if !ok || gone != nil {
			continue
		}
		if age := time.Since(fi.ModTime()); (age > young || mark+"-" == private) && !Alive(p) || age > old && p.Host != here() {
			os.RemoveAll(filepath.Join(s.dir, e.Name()))
		}
	}
}
