package realclaude

import "errors"

// Managed needs mount namespaces: macOS has none, and settings of an organization would be all sessions'.
func Managed(s Session, dir, settings string) (Session, error) {
	return s, errors.New("showing settings of an organization to one session alone: only Linux can")
}
