package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/config"
	"afteryou/internal/fleet"
	"afteryou/internal/fleet/redis"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// mostSecret bounds the file that share_secret_file names, in bytes.
const mostSecret = 4096

// fleets returns what meets the machines with which the settings have limits shared; nil: there are none. Where the settings can't be
// used that is in the log, and none are met.
func fleets(s *config.Settings, store *lockfile.Store) line.Fleets {
	if s.Share == "" || store == nil || s.Off {
		s.Rules.Shared = false
		return nil
	}
	address, names, err := meeting(*s)
	if err != nil {
		store.Log("fleet: %v; calls wait for no other machine", err)
		s.Rules.Shared = false
		return nil
	}
	login := "\x00" + claude.ConfigDir(hook.Direct(os.Getenv))
	return func(secret string) *line.Fleet {
		return &line.Fleet{Meeting: redis.New(address), Pool: func(st *turn.State, a *turn.Account, class string) string {
			of := secret
			if strings.HasSuffix(secret, login) { // whose login it is nobody tells: until an answer does, it is this machine's own
				of += "\x00" + st.Machine()
			}
			return names.Pool(a.Organization, of, class)
		}}
	}
}

// meeting is where machines meet by the settings, and by what names.
func meeting(s config.Settings) (a redis.Address, n fleet.Names, err error) {
	if a, err = redis.Parse(s.Share); err != nil {
		return a, n, err
	}
	n.Name = s.ShareName
	if s.ShareSecretFile == "" {
		return a, n, nil
	}
	data, err := os.ReadFile(s.ShareSecretFile)
	if err == nil && (len(data) > mostSecret || len(bytes.TrimSpace(data)) == 0) {
		err = fmt.Errorf("reading %s: it is empty, or no secret", s.ShareSecretFile)
	}
	n.Secret = bytes.TrimSpace(data)
	return a, n, err
}
