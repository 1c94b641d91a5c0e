package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// batcher is somebody with prompts and a stand-in to ask.
type batcher struct {
	*testing.T
	home string
	api  *fakeapi.Server
	env  []string
}

func newBatcher(t *testing.T, prompts string, b fakeapi.Batches) *batcher {
	t.Helper()
	api, err := fakeapi.Start(fakeapi.Config{Batches: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "prompts.jsonl"), []byte(prompts), 0o600); err != nil {
		t.Fatal(err)
	}
	return &batcher{t, home, api, []string{"HOME=" + home, "XDG_STATE_HOME=" + home, "ANTHROPIC_API_KEY=" + realclaude.Key, "ANTHROPIC_BASE_URL=" + api.URL()}}
}

// command is afteryou batch, at the prompts.
func (b *batcher) command(args ...string) *exec.Cmd {
	cmd := exec.Command(afteryou, append([]string{"batch"}, args...)...)
	cmd.Env, cmd.Dir = b.env, b.home
	return cmd
}

func (b *batcher) run(args ...string) (out, errs string, code int) {
	b.Helper()
	cmd := b.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run() // the exit code tells
	if both := stdout.String() + stderr.String(); strings.Contains(both, realclaude.Key) {
		b.Errorf("batch shows the key: %s", both)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// listedBatch is what list --json prints of a run.
type listedBatch struct {
	ID                string
	Requests, Fetched int
	Running, Canceled bool
}

// listed is the one run that is not finished.
func (b *batcher) listed() listedBatch {
	b.Helper()
	var list []listedBatch
	out, errs, code := b.run("list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) != 1 || list[0].Requests != 3 {
		b.Fatalf("list: exit %d, %v, %s%s", code, err, out, errs)
	}
	return list[0]
}

const threePrompts = `{"custom_id":"one","params":{"model":"claude-haiku-5-5","max_tokens":10,"messages":[{"role":"user","content":"first"}]}}
{"custom_id":"two","model":"claude-haiku-5-5","max_tokens":10,"messages":[{"role":"user","content":"second"}]}
{"prompt":"third"}
`

// Results come in the order of the requests, errors that may pass are tried again, and the exit code says whether all succeeded.
func TestBatch(t *testing.T) {
	t.Parallel()
	b := newBatcher(t, threePrompts, fakeapi.Batches{Result: func(r fakeapi.BatchRequest) string {
		switch {
		case r.Batch == 1 && r.Beginning == "first":
			return "overloaded_error"
		case r.Batch == 3 && r.Beginning == "second":
			return "invalid_request_error"
		}
		return "succeeded"
	}})
	args := []string{"run", "prompts.jsonl", "--model", "claude-haiku-5-5", "--max-tokens", "1000"}
	out, errs, code := b.run(append(args, "--yes")...)
	if code != 0 || !regexp.MustCompile(`(?s)^afteryou: 3 requests; about \d+ input tokens and at most 1020 output tokens.*\nafteryou: batch \w+; whatever happens, afteryou batch resume \w+ goes on with it\n.*submitted 3 requests as batch msgbatch_\d+1\n.*submitted 1 requests as batch msgbatch_\d+2\n.*\nafteryou: 3 results: 3 succeeded, 0 errored, 0 expired, 0 canceled\n$`).MatchString(errs) {
		t.Errorf("exit %d, says\n%s", code, errs)
	}
	ids := regexp.MustCompile(`(?m)^\{"custom_id":"([^"]*)","result":\{.*"answer to (\w+)".*\}$`).FindAllStringSubmatch(out, -1)
	var got []string
	for _, m := range ids {
		got = append(got, m[1], m[2])
	}
	if want := "one first two second line-3 third"; strings.Join(got, " ") != want {
		t.Errorf("results are %q, want %s:\n%s", got, want, out)
	}
	// From standard input, and with an error that stays.
	cmd := b.command("run", "-", "--yes", "--model=m", "--max-tokens=7")
	cmd.Stdin = strings.NewReader(threePrompts)
	data, err := cmd.Output()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || strings.Count(string(data), "\n") != 3 || !strings.Contains(string(data), `{"custom_id":"two","result":{"error":{"type":"error","error":{"type":"invalid_request_error"`) {
		t.Errorf("an error that stays: %v, exit %d:\n%s", err, cmd.ProcessState.ExitCode(), data)
	}
	if out, _, code := b.run("list"); code != 0 || out != "no batch is unfinished\n" {
		t.Errorf("list: exit %d, %s", code, out)
	}
}

func TestBatchSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const model, most = "--model=m", "--max-tokens=5"
	refuse := func(status int, message string) func(fakeapi.BatchCall) fakeapi.Fault {
		return func(c fakeapi.BatchCall) fakeapi.Fault {
			if c.What == "list" && status != 401 {
				return fakeapi.Fault{}
			}
			return fakeapi.Fault{Status: status, Message: message}
		}
	}
	for name, c := range map[string]struct {
		prompts string
		fault   func(fakeapi.BatchCall) fakeapi.Fault
		args    []string
		code    int
		want    string
	}{
		"bad lines":       {"{\"prompt\":\"x\"}\n{\"prompt\":", nil, []string{"run", "prompts.jsonl", "--yes", most}, 1, "^afteryou: prompts.jsonl:1:1: model is missing; --model is for all lines that name none\nprompts.jsonl:2:11: no JSON: unexpected end of JSON input\nhint: nothing was sent\n$"},
		"no file":         {"", nil, []string{"run", "nowhere", "--yes"}, 1, "^afteryou: open nowhere: no such file or directory\n$"},
		"nobody to ask":   {threePrompts, nil, []string{"run", "prompts.jsonl", model, most}, 1, "^afteryou: 3 requests; .*\nafteryou: nothing was sent: there is no terminal to ask\nhint: --yes submits without asking\n$"},
		"standard input":  {"", nil, []string{"run", "-"}, 64, "^afteryou: the prompts come by standard input, where the answer to a question would\nhint: --yes submits them without asking\n$"},
		"a wrong key":     {threePrompts, refuse(401, "invalid x-api-key"), []string{"run", "prompts.jsonl", "--yes", model, most}, 1, "\nafteryou: the API answers 401 Unauthorized: invalid x-api-key\nhint: the key or token is not valid for this at http://127.0.0.1:\\d+, API key\nhint: afteryou batch resume \\w+ prints all results, from the first on\n$"},
		"no such model":   {threePrompts, refuse(400, "model: no-such"), []string{"run", "prompts.jsonl", "--yes", model, most}, 1, "\nafteryou: submitting 3 requests: the API answers 400 Bad Request: model: no-such\nhint: afteryou batch resume \\w+ .*\n$"},
		"no money":        {threePrompts, refuse(400, "You have reached your specified API usage limits."), []string{"run", "prompts.jsonl", "--yes", model, most}, 1, "400 Bad Request: You have reached your specified API usage limits.\nhint"},
		"nothing":         {"", nil, nil, 64, "^afteryou: batch takes run FILE, resume \\[ID\\], list or cancel ID\nhint: afteryou batch --help says more\n$"},
		"no file named":   {"", nil, []string{"run"}, 64, "^afteryou: batch run takes a file, or -, not \\[\\]\n$"},
		"an unknown word": {"", nil, []string{"go"}, 64, "^afteryou: batch takes no argument \"go\"; there are run, resume, list, cancel\n$"},
		"no such batch":   {"", nil, []string{"resume", "../x"}, 1, "^afteryou: there is no batch \"../x\"\nhint: afteryou batch list shows those there are\n$"},
		"none to resume":  {"", nil, []string{"resume"}, 1, "^afteryou: there is no batch to resume\n$"},
		"none to cancel":  {"", nil, []string{"cancel", "x"}, 1, "^afteryou: there is no batch \"x\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBatcher(t, c.prompts, fakeapi.Batches{Fault: c.fault})
			out, errs, code := b.run(c.args...)
			if code != c.code || out != "" || !regexp.MustCompile(c.want).MatchString(errs) {
				t.Errorf("exit %d, prints %q and says\n%s\nwant exit %d and\n%s", code, out, errs, c.code, c.want)
			}
			if n := len(b.api.BatchLog()); n > 0 {
				t.Errorf("%d batches were submitted", n)
			}
		})
	}
	b := newBatcher(t, "", fakeapi.Batches{})
	for _, c := range [][2]string{{"ANTHROPIC_API_KEY=", "there is no API key or token to ask with\nhint: set ANTHROPIC_API_KEY\n"},
		{"CLAUDE_CODE_USE_VERTEX=1", "CLAUDE_CODE_USE_VERTEX leads elsewhere than to the Messages API\n"}} {
		cmd := b.command("run", "prompts.jsonl")
		cmd.Env = append(b.env, c[0])
		if out, err := cmd.CombinedOutput(); err == nil || string(out) != "afteryou: "+c[1] {
			t.Errorf("%s: %v, %s", c[0], err, out)
		}
	}
}

// waits begins a run that waits for the API, and what else it says.
func (b *batcher) waits() (*exec.Cmd, *bufio.Reader) {
	b.Helper()
	cmd := b.command("run", "prompts.jsonl", "--yes", "--model=m", "--max-tokens=5")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, "3 under way in 1 batches"); {
		if line, err = said.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	return cmd, said
}

// 1. A run waits. 2. It is interrupted. 3. It is in the list. 4. It is resumed, and its output's disk is full. 5. It is canceled.
// 6. Resumed, it prints all results.
func TestBatchStory(t *testing.T) {
	t.Parallel()
	b := newBatcher(t, threePrompts, fakeapi.Batches{Polls: 1 << 30})
	cmd, said := b.waits()
	one := b.listed()
	if !one.Running {
		t.Errorf("list: %+v, want it to run", one)
	}
	if _, errs, code := b.run("resume", one.ID); code != 1 || !strings.Contains(errs, "is being run: another process has it") {
		t.Errorf("resumed while it runs: exit %d, %s", code, errs)
	}
	if _, errs, code := b.run("run", "prompts.jsonl", "--yes", "--model=m", "--max-tokens=5"); code != 1 || !strings.Contains(errs, "nothing was sent: batch "+one.ID+" has the same requests, and is not finished\nhint: ") {
		t.Errorf("run again: exit %d, %s", code, errs)
	}
	cmd.Process.Signal(syscall.SIGINT)
	rest, _ := io.ReadAll(said) // until it ends
	cmd.Wait()                  // its code is asked below
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasSuffix(string(rest), "afteryou: interrupted; what was submitted goes on at the API\nhint: afteryou batch resume "+one.ID+" prints all results, from the first on\n") {
		t.Errorf("interrupted: exit %d, %s", code, rest)
	}
	if now := b.listed(); now.Running || now.Canceled {
		t.Errorf("list: %+v, want it not to run", now)
	}
	if out, _, _ := b.run("list"); !regexp.MustCompile(`^ID +BEGUN +REQUESTS +BATCHES +FETCHED +STATE +INPUT\n\w{8} +\d\d:\d\d:\d\d +3 +1 +0 +to resume +prompts.jsonl\n$`).MatchString(out) {
		t.Errorf("list prints\n%s", out)
	}
	if _, errs, code := b.run("cancel", one.ID); code != 0 || !strings.Contains(errs, "batches that the API cancels: 1;") || !b.api.BatchLog()[0].Canceled {
		t.Errorf("cancel: exit %d, %s", code, errs)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("not tested: there is no disk that is full: %v", err)
	}
	defer full.Close()
	cmd = b.command("resume")
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &errs
	if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), "afteryou: writing the results: write /dev/stdout: no space left on device\nhint: afteryou batch resume "+one.ID) {
		t.Errorf("on a full disk: %v, %s", err, &errs)
	}
	if now := b.listed(); now.Fetched != 1 {
		t.Errorf("list: %+v, want the results to be there", now)
	}
	out, said2, code := b.run("resume")
	if code != 1 || strings.Count(out, `,"result":{"type":"canceled"}}`+"\n") != 3 || !strings.HasSuffix(said2, "3 results: 0 succeeded, 0 errored, 0 expired, 3 canceled\n") {
		t.Errorf("resumed: exit %d, %s%s", code, out, said2)
	}
	if n := len(b.api.BatchLog()); n != 1 {
		t.Errorf("%d batches", n)
	}
}

// A person is asked, and a no sends nothing.
func TestBatchAsks(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{"y": 0, "": 1} {
		b := newBatcher(t, threePrompts, fakeapi.Batches{})
		term, err := terminal.Open(realclaude.Session{Path: afteryou, Env: append(b.env, "TERM=xterm"), Dir: b.home}, 120, 30, "batch", "run", "prompts.jsonl", "--model=m", "--max-tokens=5")
		if err != nil {
			t.Fatal(err)
		}
		defer term.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := term.WaitFor(ctx, "submit? [y/N]"); err != nil {
			t.Fatal(err)
		}
		if err := term.Send([]byte(answer + "\r")); err != nil {
			t.Fatal(err)
		}
		if code, err := term.Wait(ctx); code != want || err != nil || len(b.api.BatchLog()) != 1-want {
			t.Errorf("%q: exit %d, %v, %d batches:\n%s", answer, code, err, len(b.api.BatchLog()), term.Text())
		}
	}
}
