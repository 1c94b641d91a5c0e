package tests

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// subscriber is a person with a subscription's login, who was told that so much of it is used.
func subscriber(t *testing.T, used float64, resets time.Time) *person {
	t.Helper()
	plan := &fakeapi.Plan{Share: used, Resets: resets}
	api, err := fakeapi.Start(fakeapi.Config{Answer: plan.Answer(fakeapi.Agentic(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	p := newPerson(t, realclaude.Login, "ANTHROPIC_BASE_URL="+api.URL(), "AFTERYOU_GATEWAY=off")
	if out, errs, code := p.afteryou("limits"); code != 0 {
		t.Fatalf("limits: exit %d, %s%s", code, out, errs)
	}
	return p
}

// A session starts when its window resets, and at once where there is quota or nothing is known; -p leaves the reserve.
func TestWhenFree(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		used  float64
		args  []string
		waits bool
	}{
		"all is used":                    {1, []string{"-p", "hello"}, true},
		"some is left":                   {.85, []string{"-p", "hello"}, false},
		"what is left is the reserve":    {.85, []string{"--reserve", "20%", "--", "-p", "hello"}, true},
		"the reserve is for people":      {.85, []string{"--reserve", "20%", "--", "hello"}, false},
		"all is used, and a person asks": {1, []string{"hello"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resets := time.Now().Add(6 * time.Second).Truncate(time.Second)
			p := subscriber(t, test.used, resets)
			o := p.run(append([]string{"run", "--when-free"}, test.args...)...)
			late := time.Since(resets)
			if o.code != 0 || len(o.args) == 0 || (late >= 0) != test.waits || strings.Contains(o.errs, "afteryou: waiting for quota until ") != test.waits {
				t.Errorf("it ends %v after the reset with %d and says %q", late, o.code, o.errs)
			}
			if test.waits {
				t.Logf("it ended %v after the reset", late)
			}
		})
	}
	if o := newPerson(t).run("run", "--when-free", "--", "-p", "hello"); len(o.args) == 0 || strings.Contains(o.errs, "waiting") {
		t.Errorf("where nothing is known it is started as %q, and says %q", o.args, o.errs)
	}
}

// Who is interrupted while they wait leave the state as it was, and no process.
func TestWhenFreeIsInterrupted(t *testing.T) {
	t.Parallel()
	p := subscriber(t, 1, time.Now().Add(time.Hour))
	files := func() (list []string) {
		err := filepath.WalkDir(p.path(".local/state/afteryou"), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				data, _ := os.ReadFile(path)
				path += ": " + string(data)
			}
			list = append(list, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := files()
	cmd := exec.Command(afteryou, "run", "--when-free", "--", "-p", "hello")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = p.env, p.home, &syscall.SysProcAttr{Setpgid: true}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(errs).ReadString('\n'); err != nil || !strings.HasPrefix(line, "afteryou: waiting for quota until ") {
		t.Errorf("it says %q, %v", line, err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ends with %v", cmd.ProcessState)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); err != syscall.ESRCH {
		t.Errorf("of its group something is left: %v", err)
	}
	if now := files(); strings.Join(now, "\n") != strings.Join(before, "\n") {
		t.Errorf("the state was\n%q\nand is\n%q", before, now)
	}
	if _, err := os.Stat(p.path("args")); err == nil {
		t.Error("claude was started")
	}
}
