package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"afteryou/internal/install"
)

// runConfig prints the settings in force, as a config.toml, and where each was made; or writes those to the file that it
// lacks.
func runConfig(args []string, out, errs io.Writer) (int, error) {
	flags := flag.NewFlagSet("config", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	write := flags.Bool("write", false, "write the file")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	if *asJSON && *write {
		return exitUsage, errors.New("--json and --write exclude each other")
	}
	path := configPath()
	s, wrong := loadSettings(path, os.Getenv)
	if wrong == nil {
		wrong = stray(os.Environ())
	}
	code := 0
	if wrong != nil {
		code = exitUsage
	}
	if *write {
		if wrong != nil {
			return code, fmt.Errorf("%w\nhint: nothing was written", wrong)
		}
		return writeConfig(path, s, errs)
	}
	if *asJSON {
		type one struct {
			Value string `json:"value"`
			From  string `json:"from"`
		}
		all := make(map[string]one)
		for _, name := range names {
			all[name] = one{s.get(name), s.origin(name)}
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(all); err != nil {
			return exitFailure, err
		}
		return code, wrong
	}
	there := "not there: afteryou config --write makes it"
	if _, err := os.Stat(path); err == nil {
		there = "read first; AFTERYOU_… in the environment and flags of run come after it"
	}
	if _, err := fmt.Fprintf(out, "# %s: %s\n%s", printable(path), there, s.lines(names[:])); err != nil {
		return exitFailure, err
	}
	return code, wrong
}

// writeConfig adds to the file at path the settings in force that it does not make. What stands there stays as it is.
func writeConfig(path string, s settings, errs io.Writer) (int, error) {
	file, err := loadSettings(path, func(string) string { return "" })
	if err != nil {
		return exitUsage, err
	}
	missing := slices.DeleteFunc(slices.Clone(names[:]), func(name string) bool { return file.from[name] != "" })
	for _, name := range missing {
		if !utf8.ValidString(s.get(name)) {
			return exitUsage, fmt.Errorf("setting %s, from %s: %q is not UTF-8, which is all that a file can say", name, s.origin(name), s.get(name))
		}
	}
	c, err := install.Append(path, s.lines(missing))
	if err != nil {
		return exitFailure, fmt.Errorf("reading settings: %w", err)
	}
	if c.Empty() {
		fmt.Fprintf(errs, "afteryou: %s has all settings already\n", path)
		return 0, nil
	}
	if err := c.Apply(); err != nil {
		return exitFailure, err
	}
	fmt.Fprintf(errs, "afteryou: %s: added %s\n", c.Done(), strings.Join(missing, ", "))
	return 0, nil
}

// lines are settings as they stand in a config.toml, and where each was made.
func (s settings) lines(names []string) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, name := range names {
		value := quoted(s.get(name))
		if name == "off" {
			value = s.get(name)
		}
		fmt.Fprintf(t, "%s = %s\t# %s\n", name, value, printable(s.origin(name)))
	}
	t.Flush() // to memory
	return b.String()
}

// quoted is text as a basic string of TOML, of characters that a terminal shows.
func quoted(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	return `"` + b.String() + `"`
}

// origin is where a setting was made.
func (s settings) origin(name string) string {
	if from := s.from[name]; from != "" {
		return from
	}
	return "built in"
}

// get is a setting as set takes it.
func (s settings) get(name string) string {
	switch name {
	case "claude":
		return s.Claude
	case "turns":
		return s.Turns
	case "gap":
		return s.Gap
	case "max_wait":
		return s.MaxWait
	case "rpm":
		return s.RPM
	case "itpm":
		return s.ITPM
	case "otpm":
		return s.OTPM
	case "priority":
		return s.Priority
	case "max_resumes":
		return s.MaxResumes
	case "gateway":
		return s.Gateway
	case "resume":
		return s.Resume
	case "quiet":
		return s.Quiet
	case "probe":
		return s.Probe
	case "notify":
		return s.Notify
	case "off":
		return strconv.FormatBool(s.Off)
	}
	return ""
}

// stray looks for a variable that is meant for us and names no setting. Those that we set ourselves are none.
func stray(env []string) error {
	for _, e := range env {
		key, _, _ := strings.Cut(e, "=")
		name, ok := strings.CutPrefix(key, "AFTERYOU_")
		name = strings.ToLower(name)
		if !ok || slices.Contains(names[:], name) || slices.Contains([]string{"launcher", "set", "upstream", "warned", "test_cache"}, name) {
			continue
		}
		if like, ok := nearest(name, names[:]); ok {
			return fmt.Errorf("no setting is called %s\nhint: did you mean AFTERYOU_%s?", key, strings.ToUpper(like))
		}
	}
	return nil
}

// nearest is the word that name was meant to be, if one is near enough.
func nearest(name string, words []string) (string, bool) {
	best, least := "", max(2, len(name)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(strings.ReplaceAll(name, "-", "_")), w); d < least {
			best, least = w, d
		}
	}
	return best, best != "" && least < len(name)
}

// distance is how many letters must be put in, left out or changed to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
