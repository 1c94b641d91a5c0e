package launch

import (
	"slices"
	"strings"
)

// Env is an environment as a program is given it, in entries NAME=value. No method changes it.
type Env []string

// Get returns the value of name, or "". Of several entries the last one counts, as it does for exec.
func (e Env) Get(name string) string {
	for _, entry := range slices.Backward(e) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// Has reports whether name is set, be it to nothing.
func (e Env) Has(name string) bool { return len(e.Without(name)) < len(e) }

// With returns the environment with name set to value, in one entry: of two a program may take the first.
func (e Env) With(name, value string) Env { return append(e.Without(name), name+"="+value) }

// Without returns a copy in which name is not set.
func (e Env) Without(name string) Env {
	return slices.DeleteFunc(slices.Clone(e), func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}
