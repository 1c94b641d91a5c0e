package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"afteryou/internal/claude"
	"afteryou/internal/doctor"
	"afteryou/internal/realclaude"
)

// runDoctor looks at everything that can be wrong. It ends with 1 when something is.
func runDoctor(args []string, out, errs *os.File) (int, error) {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	u, err := user()
	if err != nil {
		return exitFailure, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return exitFailure, err
	}
	s, trouble := loadSettings(configPath(), os.Getenv)
	if trouble == nil {
		trouble = stray(os.Environ())
	}
	measured, ok := claude.ParseVersion(realclaude.Version)
	if !ok {
		panic(realclaude.Version) // a constant of ours
	}
	found := doctor.Patient{
		User: u, Dir: dir, State: stateDir(), Cache: cacheDir(), Managed: doctor.Managed, Measured: measured,
		Config: trouble, Claude: s.Claude, Gateway: s.Gateway, Off: s.Off,
		Shell: doctor.Ask, Programs: doctor.Running,
	}.Examine()
	code := 0
	for _, f := range found {
		if f.Grade == doctor.Broken {
			code = exitFailure
		}
	}
	if *asJSON {
		e := json.NewEncoder(printing{out})
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return code, e.Encode(map[string][]doctor.Finding{"findings": found})
	}
	for _, f := range found {
		fmt.Fprintf(out, "%-7s %-9s %s\n", f.Grade, f.Check, printable(f.Says))
		if f.Cure != "" {
			fmt.Fprintf(out, "%-7s %-9s cure: %s\n", "", "", printable(f.Cure))
		}
	}
	return code, nil
}
