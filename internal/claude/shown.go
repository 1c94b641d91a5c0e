package claude

import (
	"path/filepath"
	"strings"
	"unicode"
)

// ShownDir returns the last part of a session's directory, without what would steer a terminal.
func ShownDir(dir string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, filepath.Base(dir))
}
