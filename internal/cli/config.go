package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"afteryou/internal/config"
	"afteryou/internal/install"
)

func configCommand() command {
	var write, asJSON bool
	return command{
		name: "config", args: "[--write|--json]", summary: "the settings in force, and where each comes from",
		about:   "What it prints is a config.toml. The exit code is 64 when a setting is unknown or wrong.",
		example: "afteryou config --write",
		options: []option{toggle(&write, "write", "add to your config.toml what it lacks; all that stands there stays"), jsonToggle(&asJSON)},
		run: func(c call) (int, error) {
			if asJSON && write {
				return exitUsage, errors.New("--json and --write exclude each other")
			}
			s, wrong := loadSettings()
			if wrong == nil {
				wrong = config.Stray(os.Environ())
			}
			if write {
				if wrong != nil {
					return exitUsage, fmt.Errorf("%w\nhint: nothing was written", wrong)
				}
				return writeConfig(c, s)
			}
			if err := showConfig(c, s, asJSON); err != nil {
				return exitFailure, err
			}
			if wrong != nil {
				return exitUsage, wrong
			}
			return 0, nil
		},
	}
}

// showConfig prints the settings in force, as a config.toml or as JSON, and where each was made.
func showConfig(c call, s config.Settings, asJSON bool) error {
	if asJSON {
		return c.json(s.Values())
	}
	path, there := configPath(), "not there: afteryou config --write makes it"
	if _, err := os.Stat(path); err == nil {
		there = "read first; AFTERYOU_… in the environment and flags of run come after it"
	}
	_, err := fmt.Fprintf(c.text(), "# %s: %s\n%s%s", printable(path), there, s.TOML(config.Names()), s.Tables())
	return err
}

// writeConfig adds to the file the settings in force that it does not make. What stands there stays as it is.
func writeConfig(c call, s config.Settings) (int, error) {
	path := configPath()
	missing, err := config.Missing(path)
	if err != nil {
		return exitUsage, err
	}
	for _, name := range missing {
		if v := s.Values()[name]; !utf8.ValidString(v.Text) {
			return exitUsage, fmt.Errorf("setting %s, from %s: %q is not UTF-8, which is all that a file can say", name, v.From, v.Text)
		}
	}
	change, err := install.Append(path, s.TOML(missing))
	if err != nil {
		return exitFailure, fmt.Errorf("reading settings: %w", err)
	}
	if change.Empty() {
		c.note("%s has all settings already", path)
		return 0, nil
	}
	if err := change.Apply(); err != nil {
		return exitFailure, err
	}
	c.note("%s: added %s", change.Done(), strings.Join(missing, ", "))
	return 0, nil
}
