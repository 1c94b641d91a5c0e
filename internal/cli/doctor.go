package cli

import (
	"fmt"
	"os"

	"afteryou/internal/claude"
	"afteryou/internal/config"
	"afteryou/internal/doctor"
	"afteryou/internal/realclaude"
)

func doctorCommand() command {
	var asJSON bool
	return command{
		name: "doctor", args: "[--json]", summary: "what is wrong, and what cures it",
		about:   "The exit code is 1 when something is broken.",
		example: "afteryou doctor", options: []option{jsonToggle(&asJSON)},
		run: func(c call) (int, error) {
			found, err := examine()
			if err != nil {
				return exitFailure, err
			}
			code := 0
			for _, f := range found {
				if f.Grade == doctor.Broken {
					code = exitFailure
				}
			}
			if asJSON {
				return code, c.json(map[string][]doctor.Finding{"findings": found})
			}
			for _, f := range found {
				fmt.Fprintf(c.out, "%-7s %-9s %s\n", f.Grade, f.Check, printable(f.Says))
				if f.Cure != "" {
					fmt.Fprintf(c.out, "%-7s %-9s cure: %s\n", "", "", printable(f.Cure))
				}
			}
			return code, nil
		},
	}
}

func examine() ([]doctor.Finding, error) {
	u, err := user()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	s, fault := loadSettings()
	if fault == nil {
		fault = config.Stray(os.Environ())
	}
	measured, ok := claude.ParseVersion(realclaude.Version)
	if !ok {
		panic(realclaude.Version) // a constant of ours
	}
	return doctor.Patient{
		User: u, Dir: dir, State: stateDir(), Cache: cacheDir(), Managed: doctor.Managed, Measured: measured,
		Config: s, Fault: fault, Shell: doctor.Ask, Programs: doctor.Running,
	}.Examine(), nil
}
