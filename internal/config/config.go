// Package config reads what the user wishes: a table of settings, each of which stands in a file, in the environment or
// among the flags of run. The flag counts before the environment, and that before the file.
//
// It owns the format of the file. Where the file and the environment are it is told, and it writes neither.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"

	"afteryou/internal/budget"
	"afteryou/internal/price"
	"afteryou/internal/turn"
	"afteryou/internal/typo"
)

// Settings are those in force.
type Settings struct {
	Claude  string        // path of the real Claude Code; empty: it is looked for
	Rules   turn.Rules    // of the session's calls
	MaxWait time.Duration // longest time that a call is held back
	Gateway string        // "auto", "on" or "off"
	Module  bool          // calls are held by a module inside Claude Code, where it loads one
	Resume  bool          // sessions are made to go on
	Probe   bool          // the API may be asked how long a limit lasts
	Notify  bool          // the person is told that a session goes on after a long wait
	Hints   bool          // exec says what is done more cheaply otherwise
	Off     bool          // Claude Code runs as without afteryou
	// AdminKeyFile is a file with a key for the Rate Limits API; empty: it is not asked.
	AdminKeyFile string

	NotifyCommand string // is told the news too
	Prices        price.List

	Share           string // where machines meet that share limits; empty: nowhere
	ShareName       string
	ShareSecretFile string

	Budgets []budget.Budget

	values map[string]Value
	tables []entry
}

// Value is the text of a setting, and where it was made.
type Value struct {
	Text string `json:"value"`
	From string `json:"from"`
}

const (
	builtIn = "built in"
	maxFile = 1 << 20 // bytes of a settings file
)

// Load reads file and environment over what is built in. On an error the settings hold what was good. No file is no error,
// nor is an empty variable.
func Load(path string, getenv func(string) string) (Settings, error) {
	var s Settings
	table := Table()
	for _, one := range table {
		s.set(one, one.Default, builtIn) // which it takes
	}
	wrong := s.readFile(path)
	for _, one := range table {
		key := one.Variable()
		if value := getenv(key); value != "" && !one.Private {
			if err := s.set(one, value, key); err != nil {
				wrong = cmp.Or(wrong, fmt.Errorf("%s: %w", key, err))
			}
		}
	}
	return s, wrong
}

// readFile takes what is good of the file at path, and says what is wrong first.
func (s *Settings) readFile(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var data []byte
	switch {
	case err != nil:
	case !fi.Mode().IsRegular() || fi.Size() > maxFile: // a read might never end, and a hook would wait for it
		err = fmt.Errorf("%s is no file of at most %d bytes", path, maxFile)
	default:
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	file := make(map[string]any)
	if err := toml.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("reading settings %s: %w", path, err)
	}
	var wrong error
	for _, name := range slices.Sorted(maps.Keys(file)) {
		var err error
		if tables[name] != nil {
			err = s.readTable(name, file[name])
		} else {
			err = s.Set(name, fmt.Sprint(file[name]), path)
		}
		if err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("%s: %w", path, err))
		}
	}
	return wrong
}

// Set gives the setting of that name a value, made at a file, a variable or a flag. A value that it does not take is said,
// and changes nothing.
func (s *Settings) Set(name, value, from string) error {
	for _, one := range Table() {
		if one.Name == name {
			return s.set(one, value, from)
		}
	}
	return typo.Unknown("setting", name, Names(), "; there are "+strings.Join(Names(), ", "))
}

func (s *Settings) set(one Setting, value, from string) error {
	if !one.apply(s, value) {
		return fmt.Errorf("%s is %q; it takes %s", one.Name, value, one.Takes)
	}
	if one.bare {
		value = strconv.FormatBool(s.Off)
	}
	if s.values == nil {
		s.values = make(map[string]Value)
	}
	s.values[one.Name] = Value{value, from}
	return nil
}

// Names are those of all settings.
func Names() (names []string) {
	for _, one := range Table() {
		names = append(names, one.Name)
	}
	return names
}

// Values are all settings as they are written, by name, but for passwords.
func (s Settings) Values() map[string]Value {
	all := maps.Clone(s.values)
	for _, one := range Table() {
		if v, ok := all[one.Name]; ok && one.shown != nil {
			v.Text = one.shown(v.Text)
			all[one.Name] = v
		}
	}
	return all
}

// TOML is the settings of those names as they stand in the file, each with a word on where it was made. All of it can be
// shown on a terminal. A value that is no UTF-8 can't be written, and is not the same.
func (s Settings) TOML(names []string) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	values := s.Values()
	for _, one := range Table() {
		if !slices.Contains(names, one.Name) {
			continue
		}
		v := values[one.Name]
		if !one.bare {
			v.Text = `"` + escape(v.Text, `"\`) + `"`
		}
		fmt.Fprintf(t, "%s = %s\t# %s\n", one.Name, v.Text, escape(v.From, ""))
	}
	t.Flush() // to memory
	return b.String()
}

// escape writes what a terminal does not show, and the characters given, as a basic string of TOML does.
func escape(text, special string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune(special, r):
			b.WriteString(`\` + string(r))
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	return b.String()
}

// Missing names the settings that the file at path does not make.
func Missing(path string) ([]string, error) {
	s, err := Load(path, func(string) string { return "" })
	return slices.DeleteFunc(Names(), func(name string) bool { return s.values[name].From != builtIn }), err
}

// Getenv is the environment with the real Claude Code in it that the settings name, if they do.
func (s Settings) Getenv(getenv func(string) string) func(string) string {
	return func(name string) string {
		if name == "AFTERYOU_CLAUDE" && s.Claude != "" {
			return s.Claude
		}
		return getenv(name)
	}
}

// Export adds to an environment what flags made, and where the real Claude Code is: programs that the session starts run
// with the same settings. Of two entries of one name a program may take the first, so that an older one goes.
func (s Settings) Export(env []string) []string {
	for _, one := range Table() {
		v := s.values[one.Name]
		if strings.HasPrefix(v.From, "--") || one.Name == "claude" && v.Text != "" {
			key := one.Variable() + "="
			env = append(slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, key) }), key+v.Text)
		}
	}
	return env
}

// Stray looks in an environment for a variable that was meant to be a setting and is none. Those that we set ourselves are
// not meant.
func Stray(env []string) error {
	names := Names()
	for _, e := range env {
		key, _, _ := strings.Cut(e, "=")
		name, ok := strings.CutPrefix(key, "AFTERYOU_")
		name = strings.ToLower(name)
		if i := slices.Index(names, name); ok && i >= 0 && Table()[i].Private {
			return fmt.Errorf("%s is not heeded: %s stands in the file alone", key, name)
		}
		if !ok || slices.Contains(names, name) || slices.Contains([]string{"account", "launcher", "set", "upstream", "warned", "test_cache"}, name) {
			continue
		}
		if like, ok := typo.Nearest(name, names); ok {
			return fmt.Errorf("unknown setting %s\nhint: did you mean AFTERYOU_%s?", key, strings.ToUpper(like))
		}
	}
	return nil
}
