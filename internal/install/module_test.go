package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/claude"
	"afteryou/plugin"
)

// 1. The module is put up, twice is once. 2. Another version of the program puts up its own in place of it, at once, and what
// sessions still use stays. 3. Taken away, nothing of either is left.
func TestModuleGoesUpAndAway(t *testing.T) {
	for name, dir := range map[string]string{"by default": "", "in a configuration of its own": "~/elsewhere"} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t, "CLAUDE_CONFIG_DIR="+dir)
			p.write("other", "", 0o600)
			before, data := p.tree(), filepath.Join(p.home, "data", "afteryou")
			up := func(u User) string {
				t.Helper()
				c, err := u.Module(data)
				if err == nil && !strings.Contains(c.Diff(), "-> "+filepath.Join(data, plugin.Prefix)) {
					t.Errorf("it shows %q", c.Diff())
				}
				apply(t, []Change{c}, err)
				to, err := os.Readlink(claude.SkillLink(p.Getenv))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(to, "hooks", "afteryou.js")); err != nil {
					t.Error(err)
				}
				if again, err := u.Module(data); err != nil || !again.Empty() {
					t.Errorf("again it changes %q, %v", again.Diff(), err)
				}
				if right, any := u.HasModule(); !right || !any {
					t.Errorf("it is there: %v, %v", right, any)
				}
				return to
			}
			newer := p.User
			newer.Self = "/usr/bin/afteryou"
			first := up(p.User)
			if second := up(newer); second == first {
				t.Errorf("another program has the same plugin, %s", first)
			}
			if right, any := p.HasModule(); right || !any {
				t.Errorf("the other's is taken for ours: %v, %v", right, any)
			}
			if _, err := os.Stat(first); err != nil {
				t.Error(err)
			}
			apply(t, p.NoModule(data), nil)
			p.same("taken away", before, p.tree())
		})
	}
}

// What stands there and is not ours stays.
func TestModuleTakesNobodysPlace(t *testing.T) {
	p := newPerson(t)
	p.write(".claude/skills/afteryou/SKILL.md", "mine", 0o600)
	before := p.tree()
	if _, err := p.Module(filepath.Join(p.home, "data", "afteryou")); err == nil || !strings.Contains(err.Error(), "not ours") {
		t.Errorf("error %v", err)
	}
	apply(t, p.NoModule(filepath.Join(p.home, "data", "afteryou")), nil)
	p.same("after both", before, p.tree())
}
