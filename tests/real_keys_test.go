package tests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// Credentials that stand nowhere else, and what each begins with.
const (
	secretKey   = "sk-ant-api03-grepme1-7c0ffee5eed-AA"
	secretToken = "sk-ant-oat01-grepme2-5eedc0ffee7-AA"
	secretBegin = "-grepme"
)

// said is a prompt, of which no more may be kept than of a credential.
const said = "hello, said-in-private"

// keyless looks for credentials and prompts in every file below dirs, and for credentials, until it is called, in every
// command line of the machine. Of the first of dirs all files must be closed to others.
func keyless(t *testing.T, dirs ...string) (check func()) {
	t.Helper()
	done, stopped := make(chan struct{}), make(chan struct{})
	looked := 0
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			case <-time.After(30 * time.Millisecond):
			}
			out, err := exec.Command("ps", "-A", "-ww", "-o", "args=").Output()
			if err != nil {
				t.Errorf("listing processes: %v", err)
				return
			}
			looked++
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, secretBegin) {
					t.Errorf("a command line says %q", line)
				}
			}
		}
	}()
	return func() {
		t.Helper()
		close(done)
		<-stopped
		files := 0
		for _, dir := range dirs {
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				if fi, err := d.Info(); err == nil && dir == dirs[0] && fi.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s has mode %v", path, fi.Mode())
				}
				data, err := os.ReadFile(path)
				if files++; bytes.Contains(data, []byte(secretBegin)) || bytes.Contains(data, []byte("said-in-private")) {
					t.Errorf("%s holds a credential or a prompt", path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		if files < 2 || looked < 10 {
			t.Errorf("%d files and %d lists of processes were looked at; there must be more", files, looked)
		}
	}
}

// Sessions with an API key and with a token, by hooks, with the module and behind a gateway, rejected, refused, and on a state that
// breaks: no credential, nor the beginning of one, stands in a file of ours, in a temporary file, in what we print or on
// a command line. Claude Code's own home is its own affair.
func TestRealKeysAreNowhere(t *testing.T) {
	t.Parallel()
	limited := firstRejected(fakeapi.Agentic(2))
	m := newMachine(t, fakeapi.Config{Answer: limited})
	temp := filepath.Join(m.dir, "temp")
	config := filepath.Join(m.dir, "config", "afteryou", "config.toml")
	for path, data := range map[string]string{filepath.Join(temp, "x"): "", filepath.Join(m.dir, "cache", "x"): "", config: "gap = \"1ms\"\n"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := keyless(t, m.stateDir(), filepath.Join(m.dir, "config"), filepath.Join(m.dir, "cache"), temp)
	credentials := map[string][]string{
		"key":   {"ANTHROPIC_API_KEY=" + secretKey},
		"token": {"ANTHROPIC_API_KEY=", "CLAUDE_CODE_OAUTH_TOKEN=" + secretToken},
		"auth":  {"ANTHROPIC_API_KEY=", "ANTHROPIC_AUTH_TOKEN=" + secretKey},
	}
	var wg sync.WaitGroup
	for name, ways := range map[string][]string{"key": {noModule, throughGateway, withModule}, "token": {withModule}, "auth": {throughGateway}} {
		for i, way := range ways {
			env := append([]string{"TMPDIR=" + temp, way}, credentials[name]...)
			wg.Go(func() { m.keeps(m.session(fmt.Sprint(name, i), env...)) })
		}
	}
	wg.Wait()
	troubled(m, append([]string{"AFTERYOU_GATEWAY=on", "TMPDIR=" + temp}, credentials["key"]...))
	check()
}

// firstRejected rejects the first call of each session, and answers the others as then does.
func firstRejected(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	var called sync.Map
	return func(r fakeapi.Request) fakeapi.Answer {
		if _, again := called.LoadOrStore(r.Session, true); again {
			return then(r)
		}
		return fakeapi.RateLimited(time.Second)
	}
}

// keeps asks a session what must stay private, and wants it to say no credential.
func (m *machine) keeps(s realclaude.Session, args ...string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, s, append([]string{"--permission-mode", "bypassPermissions", said}, args...)...)
	if err != nil || r.Code != 0 {
		m.t.Errorf("%+v, %v", r, err)
	}
	if said := r.Stdout + r.Stderr; strings.Contains(said, secretBegin) {
		m.t.Errorf("a session says %q", said)
	}
}

// troubled wants what there is to say of trouble, in sessions with that environment, to say no credential either.
func troubled(m *machine, env []string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.stateDir(), "state.json"), []byte("{"), 0o600); err != nil {
		m.t.Fatal(err)
	}
	settings := filepath.Join(m.dir, "settings.json")
	if err := os.WriteFile(settings, []byte(`{"env":{"X":"y"}}`), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.keeps(m.session("broken", env...), "--settings", settings)
	m.api.Close()
	env = append(env, "CLAUDE_CODE_MAX_RETRIES=1", "CLAUDE_CODE_RETRY_WATCHDOG=0",
		"ANTHROPIC_BASE_URL="+strings.Replace(m.api.URL(), "://", "://user:"+secretKey+"@", 1))
	r, err := realclaude.Print(m.t.Context(), m.session("dead", env...), said)
	if err != nil || r.Code == 0 || strings.Contains(r.Stdout+r.Stderr, secretBegin) {
		m.t.Errorf("without a server: %+v, %v", r, err)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"doctor"}, {"doctor", "--json"}, {"config"}, {"log"}} {
		cmd := exec.Command(afteryou, args...)
		cmd.Env, cmd.Dir = m.session("dead", env...).Env, m.dir
		out, _ := cmd.CombinedOutput() // doctor ends with 1 when something is wrong
		if len(out) == 0 || bytes.Contains(out, []byte(secretBegin)) {
			m.t.Errorf("%v says %q", args, out)
		}
	}
}

// The module tells its partner how requests went, and nothing that is said in them, nor with which credential.
func TestRealModuleTellsNothingThatIsSaid(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: firstRejected(fakeapi.AgenticCommand(2, func(int) string { return "echo said-in-private" }))})
	log := filepath.Join(t.TempDir(), "told")
	const body = "const body = JSON.stringify({ word, ...what })"
	dir := moduleDir(t, body, body+`
  void $.process.run(['tee', '-a', '`+log+`'], { stdin: body + '\n' }).catch(() => {})`)
	m.keeps(m.inside("home", dir, "ANTHROPIC_API_KEY="+secretKey))
	told := read(t, log)
	for _, word := range []string{`"ask"`, `"answer"`, `"used"`} {
		if !strings.Contains(told, `{"word":`+word) {
			t.Errorf("the module never says %s: %s", word, told)
		}
	}
	if strings.Contains(told, secretBegin) || strings.Contains(told, "said-in-private") {
		t.Errorf("the module says\n%s", told)
	}
}
