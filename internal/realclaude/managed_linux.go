package realclaude

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// shown makes what is in a directory ($0) appear in /etc, for the program that takes the shell's place and what it starts.
const shown = `mount -t overlay -o "lowerdir=$0:/etc" overlay /etc && exec "$@"`

// Managed returns the session as it runs where an organization has these settings: in a mount namespace of its own, which
// nobody else sees. They are written to dir, which is made and must stay until the session has ended. It needs root, or a
// user namespace, in which the session believes to be root; where neither can be had there is an error.
func Managed(s Session, dir, settings string) (Session, error) {
	path := filepath.Join(dir, "claude-code", "managed-settings.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return s, err
	}
	if err := os.WriteFile(path, []byte(settings), 0o644); err != nil {
		return s, err
	}
	argv := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		argv = append(argv, "--user", "--map-root-user")
	}
	argv = append(argv, "sh", "-c", shown, dir)
	if out, err := exec.Command(argv[0], append(argv[1:], "true")...).CombinedOutput(); err != nil {
		return s, fmt.Errorf("showing settings of an organization in a mount namespace, which needs root or a user namespace: %w: %s",
			err, strings.TrimSpace(string(out)))
	}
	s.Args = slices.Concat(argv[1:], []string{s.Path}, s.Args)
	s.Path = argv[0]
	return s, nil
}
