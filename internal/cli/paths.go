package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"

	"afteryou/internal/budget"
	"afteryou/internal/claude"
	"afteryou/internal/config"
	"afteryou/internal/install"
)

// configPath is where the settings file stands, if there is one.
func configPath() string { return filepath.Join(xdg.ConfigHome, "afteryou", "config.toml") }

// stateDir is where the sessions meet.
func stateDir() string { return filepath.Join(xdg.StateHome, "afteryou") }

// cacheDir is where what was found out about Claude Code is kept.
func cacheDir() string { return filepath.Join(xdg.CacheHome, "afteryou") }

// dataDir is where the plugin is unpacked.
func dataDir() string { return filepath.Join(xdg.DataHome, "afteryou") }

// budgets are those in force, as they stand.
func budgets(s config.Settings) budget.Watch {
	return budget.Watch{Dir: filepath.Join(stateDir(), "spent"), Config: claude.ConfigDir(os.Getenv), Home: os.Getenv("HOME"), Budgets: s.Budgets, Prices: s.Prices}
}

// loadSettings reads the settings in force. On an error they hold what was good.
func loadSettings() (config.Settings, error) { return config.Load(configPath(), os.Getenv) }

func user() (install.User, error) {
	self, err := executable()
	if err != nil {
		return install.User{}, err
	}
	if home := os.Getenv("HOME"); !filepath.IsAbs(home) {
		return install.User{}, fmt.Errorf("finding your home: HOME is %q", home)
	}
	return install.User{Self: self, Getenv: os.Getenv}, nil
}

// executable is our own program, as hooks name it. What Homebrew links from a folder that goes with the next version is
// named by the link, which stays.
func executable() (string, error) {
	self, err := os.Executable()
	if err != nil { // no /proc
		if self, err = exec.LookPath(os.Args[0]); err == nil {
			self, err = filepath.Abs(self)
		}
	}
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("finding our own executable: %w", err)
	}
	if prefix, _, ok := strings.Cut(self, "/Cellar/"); ok {
		link := filepath.Join(prefix, "bin", "afteryou")
		if to, err := filepath.EvalSymlinks(link); err == nil && to == self {
			return link, nil
		}
	}
	return self, nil
}
