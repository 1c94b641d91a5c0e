package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"afteryou/internal/claude"
	"afteryou/plugin"
	"afteryou/wrapper"
)

// module returns the directory of the plugin whose module is to hold the session's calls, "" where hooks or the gateway must.
func (l Launch) module(env Env, version claude.Version) string {
	if l.Store == nil || !l.Module || l.Gateway == "on" {
		return ""
	}
	if l.start(env, version).NoModule() != "" {
		return ""
	}
	link, _ := os.Readlink(claude.SkillLink(env.Get)) // none, or a directory: nothing of ours is in use
	dir, err := plugin.Unpack(l.Data, l.Self, link)
	if err != nil {
		l.Store.Log("%v; the hooks take turns", err)
		return ""
	}
	return dir
}

// start is the session as it is to be started.
func (l Launch) start(env Env, version claude.Version) claude.Start {
	dir, _ := os.Getwd() // one that is gone has no settings
	return claude.Start{Version: version, Args: l.Args, Getenv: env.Get, Dir: dir, Organization: claude.Managed(env.Get)}
}

// addModule has Claude Code load the plugin in dir, beside those that the user names. The variable reaches sessions that this
// one starts too; where settings give it another value only the command line is left.
func (l Launch) addModule(cmd *wrapper.Command, dir string, version claude.Version) {
	env := l.withoutModule(Env(cmd.Env))
	if l.start(env, version).PinsDirs() || strings.Contains(dir, ":") {
		cmd.Args = slices.Concat(cmd.Args[:1], []string{"--plugin-dir", dir}, cmd.Args[1:])
		cmd.Env = env
		return
	}
	cmd.Env = env.With(claude.DirsEnv, strings.TrimLeft(env.Get(claude.DirsEnv)+":"+dir, ":"))
}

// withoutModule takes our own plugin out of the environment, which one of the sessions above may have been given.
func (l Launch) withoutModule(env Env) Env {
	if !env.Has(claude.DirsEnv) {
		return env
	}
	theirs := slices.DeleteFunc(strings.Split(env.Get(claude.DirsEnv), ":"), func(dir string) bool {
		return filepath.Dir(dir) == l.Data && strings.HasPrefix(filepath.Base(dir), plugin.Prefix)
	})
	if len(theirs) == 0 {
		return env.Without(claude.DirsEnv)
	}
	return env.With(claude.DirsEnv, strings.Join(theirs, ":"))
}
