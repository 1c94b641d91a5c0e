package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// organized is a server with an organization of two groups of models.
func organized() fakeapi.Config {
	return fakeapi.Config{Answer: fakeapi.Agentic(1), AdminKey: "sk-ant-admin-made-up", Groups: []fakeapi.Group{
		{Models: []string{"claude-opus-5", "claude-opus-5-5"}, Requests: 4000, Input: 10000000, Output: 800000},
		{Models: []string{"claude-haiku-5-5"}, Requests: 50, Input: 30000, Output: 8000},
	}}
}

// askedOrganization counts how often the organization was asked for.
func askedOrganization(api *fakeapi.Server) (n int) {
	for _, r := range api.Others() {
		if strings.HasPrefix(r.Path, "/v1/organizations/") {
			n++
		}
	}
	return n
}

// 1. Without an admin key nobody is asked. 2. A wrong one is said in a line, beside the limits. 3. With the right one the organization's
// groups are shown, from a file too, and 4. nobody is asked again that day; of the key nothing is kept.
func TestLimitsOfTheOrganization(t *testing.T) {
	t.Parallel()
	c := organized()
	api, err := fakeapi.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	home := t.TempDir()
	env := []string{"ANTHROPIC_BASE_URL=" + api.URL(), "ANTHROPIC_API_KEY=" + realclaude.Key}
	out, errs, code := limits(t, home, env)
	if n := askedOrganization(api); code != 0 || errs != "" || n != 0 || strings.Contains(out, "organization") {
		t.Errorf("without a key: asked %d times, exit %d, says %q and\n%s", n, code, errs, out)
	}
	out, errs, code = limits(t, home, append(env, "ANTHROPIC_ADMIN_KEY=sk-ant-wrong"))
	want := "afteryou: asking for the organization's limits: the API answers 401 Unauthorized: invalid x-api-key\nhint: it takes an admin key of the organization, in ANTHROPIC_ADMIN_KEY or the file that admin_key_file names\n"
	if code != 0 || errs != want || !strings.Contains(out, "limited    no\n") || strings.Contains(out, "organization") {
		t.Errorf("with a wrong key: exit %d, says %q and\n%s", code, errs, out)
	}
	file := filepath.Join(home, "key")
	if err := os.WriteFile(file, []byte(c.AdminKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := askedOrganization(api)
	for range 2 {
		out, errs, code = limits(t, home, append(env, "AFTERYOU_ADMIN_KEY_FILE="+file))
		lines := "organization's limits, by " + api.URL()
		row := "4000      10000000      800000         claude-opus-5 claude-opus-5-5\n50        30000         8000           claude-haiku-5-5\n"
		if code != 0 || errs != "" || !strings.Contains(out, lines) || !strings.HasSuffix(out, row) {
			t.Errorf("with the key: exit %d, says %q and\n%s", code, errs, out)
		}
	}
	if n := askedOrganization(api) - before; n != 1 {
		t.Errorf("it was asked %d times, want once a day", n)
	}
	for _, r := range api.Log() {
		if r.Header.Get("x-api-key") == c.AdminKey {
			t.Error("a call to the model has the admin key")
		}
	}
	filepath.WalkDir(filepath.Join(home, "state"), func(path string, d os.DirEntry, err error) error {
		if data, _ := os.ReadFile(path); err != nil || strings.Contains(string(data), c.AdminKey) {
			t.Errorf("%s: %v, or the key is in it", path, err)
		}
		return nil
	})
}

// The admin key goes to the API, or to a server on this machine: a company's gateway as base URL is not told of it.
func TestAdminKeyGoesNowhereElse(t *testing.T) {
	t.Parallel()
	api, err := fakeapi.Start(organized())
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	// A proxy sees where requests go that do not lead to this machine; it answers none.
	out, errs, _ := limits(t, t.TempDir(), []string{"ANTHROPIC_BASE_URL=http://gateway.example", "HTTP_PROXY=" + api.URL(), "HTTPS_PROXY=" + api.URL(),
		"ANTHROPIC_API_KEY=" + realclaude.Key, "ANTHROPIC_ADMIN_KEY=" + organized().AdminKey})
	for _, r := range append(api.Log(), api.Others()...) {
		if r.Header.Get("x-api-key") == organized().AdminKey && r.Method != http.MethodConnect {
			t.Errorf("the admin key goes to %s; it says %q and %q", r.Path, out, errs)
		}
	}
}

// Models of one group share a class, and with it the line: with one call at a time, those of two sessions do not overlap.
func TestRealModelsOfOneGroupShareAClass(t *testing.T) {
	t.Parallel()
	m := newInside(t, organized(), "AFTERYOU_GATEWAY=off")
	one := m.session("one", withModule, "ANTHROPIC_MODEL=claude-opus-5")
	limits(t, m.dir, append(one.Env, "ANTHROPIC_ADMIN_KEY="+organized().AdminKey))
	m.print(one)
	m.print(m.session("other", withModule, "ANTHROPIC_MODEL=claude-opus-5-5"))
	classes := map[string]bool{}
	for _, a := range m.state().Accounts {
		for class := range a.Classes {
			classes[class] = true
		}
	}
	if !classes["opus-5"] || classes["opus-5.5"] {
		t.Errorf("the classes are %v, want one of the two models", classes)
	}
}
