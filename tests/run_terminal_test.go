package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"afteryou/internal/fakeapi"
)

// desk is a person at a terminal, on which one program runs as the leader of its session.
type desk struct {
	*person
	keys *os.File
	cmd  *exec.Cmd

	mu    sync.Mutex
	shown []byte
	left  chan struct{} // closed when nobody has the terminal open any more
}

// sit starts argv on a terminal. Its standard input is another one if there are two.
func (p *person) sit(two bool, argv ...string) *desk {
	p.t.Helper()
	open := func() (master, tty *os.File) {
		master, tty, err := pty.Open()
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { master.Close() })
		return master, tty
	}
	master, tty := open()
	defer tty.Close()
	d := &desk{person: p, keys: master, cmd: exec.Command(argv[0], argv[1:]...), left: make(chan struct{})}
	d.cmd.Env, d.cmd.Dir = p.env, p.home
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = tty, tty, tty
	if two {
		var in *os.File
		d.keys, in = open()
		defer in.Close()
		d.cmd.Stdin = in
	}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := d.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { d.cmd.Process.Kill(); d.cmd.Wait() })
	go func() {
		defer close(d.left)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			d.mu.Lock()
			d.shown = append(d.shown, buf[:n]...)
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return d
}

// text is what the terminal has shown, in lines that end as everywhere.
func (d *desk) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.ReplaceAll(string(d.shown), "\r\n", "\n")
}

func (d *desk) sees(text string) {
	d.t.Helper()
	d.until(fmt.Sprintf("%q", text), func() bool { return strings.Contains(d.text(), text) })
}

func (d *desk) types(keys string) {
	d.t.Helper()
	if _, err := d.keys.WriteString(keys); err != nil {
		d.t.Fatal(err)
	}
}

// waits waits until the program on the terminal, a shell, waits for one that it has started: before, ^C ends it at once.
func (d *desk) waits() {
	d.t.Helper()
	d.until("the shell to wait", func() bool {
		state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(d.cmd.Process.Pid)).Output()
		return err != nil || strings.HasPrefix(string(state), "S")
	})
}

// end waits for the program's end. All it printed is shown then.
func (d *desk) end() syscall.WaitStatus {
	d.t.Helper()
	late := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	defer late.Stop()
	d.cmd.Wait()
	<-d.left
	return d.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// Where Claude Code can't have a pty of ours it has the terminal itself, and all else that run gives it.
func TestWithoutAPtyClaudeCodeStartsAllTheSame(t *testing.T) {
	t.Parallel()
	mounts := func(command string) []string {
		return []string{"unshare", "-rm", "/bin/sh", "-c", command + ` && exec "$@"`, "sh"}
	}
	for _, c := range []struct {
		name string
		two  bool
		by   []string
	}{
		{"two terminals", true, nil},
		{"no pty is free", false, mounts("mount --bind /dev/null /dev/ptmx")},
		{"no /proc", false, mounts("mount -t tmpfs none /proc")},
	} {
		for _, gateway := range []string{"off", "on"} {
			t.Run(c.name+", gateway "+gateway, func(t *testing.T) {
				if c.by != nil && exec.Command("unshare", "-rm", "true").Run() != nil {
					t.Skip("this user may not mount anything, not even for himself")
				}
				p := newPerson(t)
				p.env = append(p.env, "AFTERYOU_GATEWAY="+gateway)
				p.claudeIs("2.1.330", `[ -t 0 ] && [ -t 1 ] && echo "args $*"
echo "at ${ANTHROPIC_BASE_URL:-home}"
read line
echo "got $line"
exit 7
`)
				d := p.sit(c.two, append(c.by, afteryou, "run", "--", "hello")...)
				d.sees("\nat ")
				d.types("typed\r")
				d.sees("got typed")
				if status := d.end(); status.ExitStatus() != 7 {
					t.Errorf("it ends with %#x, want the exit code 7", status)
				}
				text := d.text()
				if n := strings.Count("\n"+text, "\nafteryou: "); n != 1 || !strings.Contains(text, "the terminal itself") {
					t.Errorf("we say %d lines, want one on the terminal:\n%s", n, text)
				}
				if !strings.Contains(text, "args --settings ") || !strings.Contains(text, " hello\n") {
					t.Errorf("claude lacks our hooks:\n%s", text)
				}
				if through := strings.Contains(text, "at http://127.0.0.1:"); through != (gateway == "on") {
					t.Errorf("through the gateway: %v\n%s", through, text)
				}
			})
		}
	}
}

// What can't be started at all is no matter of the terminal, and is tried once.
func TestAClaudeThatCannotBeStartedIsNoMatterOfThePty(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env = append(p.env, "AFTERYOU_GATEWAY=off")
	p.write("real/claude", "#!/nowhere/sh\n", 0o700)
	d := p.sit(false, afteryou, "run", "--", "hello")
	status := d.end()
	text := d.text()
	if status.ExitStatus() != 1 || strings.Contains(text, "the terminal itself") || strings.Count(text, "afteryou: starting ") != 1 {
		t.Errorf("it ends with %#x and says\n%swant 1, and once that it can't be started", status, text)
	}
}

// stays are the ways to run -p in which the launcher outlives the start of Claude Code, and the version that it is.
var stays = map[string]struct{ version, env string }{
	"gateway":   {"2.1.330", "AFTERYOU_GATEWAY=on"},
	"run again": {"2.0.76", "AFTERYOU_GATEWAY=off"},
}

// 1. ^C is typed some times, each after the one before was seen. 2. SIGTERM to the launcher is passed on, behind all that was
// passed on before.
func TestCtrlCReachesPrintOnce(t *testing.T) {
	t.Parallel()
	for name, how := range stays {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.env = append(p.env, how.env)
			p.claudeIs(how.version, `sleep 1000 &
n=0
trap 'n=$((n+1)); echo "int $n" >&2' INT
trap 'kill $!; echo "$n times"; exit 0' TERM
echo ready >&2
while :; do wait; done
`)
			d := p.sit(false, afteryou, "run", "--", "-p", "hello")
			d.sees("ready")
			const times = 20
			for n := range times {
				d.types("\x03") // 1
				d.sees(fmt.Sprintf("int %d\n", n+1))
			}
			d.cmd.Process.Signal(syscall.SIGTERM) // 2
			if status := d.end(); status.ExitStatus() != 0 {
				t.Errorf("it ends with %#x", status)
			}
			if !strings.Contains(d.text(), fmt.Sprintf("\n%d times", times)) {
				t.Errorf("the terminal shows\n%s", d.text())
			}
		})
	}
}

// At ^C a shell's loop ends, or goes on, as if the launcher were not there.
func TestCtrlCEndsALoopAsWithout(t *testing.T) {
	t.Parallel()
	const loop = `n=0
while [ $n -lt 2 ]; do n=$((n+1)); echo "run $n"; "$@"; echo "ended $?"; done
echo over`
	programs := map[string]string{
		"dies of it":          "echo ready >&2; exec sleep 1000\n",
		"ends with 0 at it":   "trap 'exit 0' INT; echo ready >&2; while :; do sleep 0.01; done\n",
		"ends with 130 at it": "trap 'exit 130' INT; echo ready >&2; while :; do sleep 0.01; done\n",
	}
	for shell, flags := range map[string]string{"a script": "-c", "with job control": "-mc"} {
		for what, program := range programs {
			watch := func(version, env string, argv ...string) string {
				p := newPerson(t)
				p.env = append(p.env, env)
				p.claudeIs(version, "echo x >> \"$HOME/runs\"\n"+program)
				d := p.sit(false, append([]string{"bash", flags, loop, "bash"}, argv...)...)
				for n := 1; ; n++ {
					over := false
					d.until("a run or the end", func() bool {
						runs, _ := os.ReadFile(p.path("runs"))
						select {
						case <-d.left:
							over = true
						default:
						}
						return over || bytes.Count(runs, []byte("x")) == n && strings.Count(d.text(), "ready") == n
					})
					if over {
						break
					}
					d.waits()
					d.types("\x03")
				}
				status := d.end()
				return fmt.Sprintf("%s%#x", d.text(), uint32(status))
			}
			t.Run(shell+", "+what, func(t *testing.T) {
				want := watch("2.1.330", "X=", "claude", "-p", "hello")
				for name, how := range stays {
					if got := watch(how.version, how.env, afteryou, "run", "--", "-p", "hello"); got != want {
						t.Errorf("%s: the terminal shows\n%s\nwithout us it shows\n%s", name, got, want)
					}
				}
				if got := watch("2.1.330", "X=", afteryou, "run", "--", "hello"); got != want {
					t.Errorf("on a terminal: the terminal shows\n%s\nwithout us it shows\n%s", got, want)
				}
			})
		}
	}
}

// 1. A limit ends the run, and the launcher waits to run it again. 2. ^C ends the wait, and the loop; what the run held back
// is shown.
func TestCtrlCEndsTheWaitToRunAgain(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.claudeIs("2.0.76", `while [ $# -gt 0 ]; do [ "$1" = --session-id ] && id=$2; shift; done
mkdir -p "$HOME/.claude/projects/x"
echo '{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":"'"$(date -u +%Y-%m-%dT%H:%M:%S.999Z)"'","message":{"content":[{"type":"text","text":"API Error: Request rejected (429)"}]}}' > "$HOME/.claude/projects/x/$id.jsonl"
echo '{"type":"result","is_error":true}'
exit 1
`)
	d := p.sit(false, "bash", "-mc", `while :; do "$@"; echo "ended $?"; done`, "bash", afteryou, "run", "--gateway", "off", "--", "-p", "--output-format", "json", "hello")
	d.until("the wait", func() bool { // 1
		logs, _ := filepath.Glob(p.path(".local/state/afteryou/*log*"))
		for _, path := range logs {
			if text, _ := os.ReadFile(path); bytes.Contains(text, []byte("goes on after")) {
				return true
			}
		}
		return false
	})
	d.types("\x03") // 2
	d.end()
	if text := d.text(); strings.Contains(text, "ended") || strings.Count(text, `"is_error":true`) != 1 {
		t.Errorf("the loop goes on, or what was held back is not shown once:\n%s", text)
	}
}

// At ^C the real one ends a shell's loop, or lets it go on, as it does without us: in a call, and while it waits for a limit.
func TestRealCtrlCEndsALoopAsWithout(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]fakeapi.AnswerFunc{
		"in a call": prompted(fakeapi.Slow(time.Hour, fakeapi.Agentic(1))),
		// Long enough that no ^C comes after it, for our second run waits for it too; after more than a minute it ends by itself
		// without us.
		"at its wait": prompted(func(fakeapi.Request) fakeapi.Answer { return fakeapi.RateLimited(15 * time.Second) }),
	} {
		for shell, flags := range map[string]string{"a script": "-c", "with job control": "-mc"} {
			if name == "at its wait" && shell == "a script" {
				continue // the wait is another only where the shell takes the terminal
			}
			t.Run(name+", "+shell, func(t *testing.T) {
				t.Parallel()
				watch := func(argv []string, extra ...string) string {
					m := newMachine(t, fakeapi.Config{Answer: answer}, extra...)
					s := m.session("one")
					p := &person{t: t, home: s.Dir, env: s.Env}
					argv = append(argv, "-p", "hello")
					if argv[0] == "claude" {
						argv[0] = m.claude
					}
					d := p.sit(false, append([]string{"bash", flags, `for n in 1 2; do "$@"; echo "run $n ended $?"; done; echo over`, "bash"}, argv...)...)
					for n := 1; ; n++ {
						over := false
						m.until("a call or the end", func(log []fakeapi.Request) bool {
							select {
							case <-d.left:
								over = true
							default:
							}
							calls := 0
							for _, r := range log {
								if r.Tools > 0 && strings.Contains(r.LastText, "hello") && (name == "in a call" || !r.Ended.IsZero()) {
									calls++
								}
							}
							return over || calls >= n
						})
						if over {
							break
						}
						d.waits()
						d.types("\x03")
					}
					status := d.end()
					var lines []string
					for line := range strings.Lines(d.text()) {
						if i := strings.Index(line, "run "); i >= 0 || strings.HasPrefix(line, "over") {
							lines = append(lines, line[max(i, 0):])
						}
					}
					return fmt.Sprintf("%s%#x", strings.Join(lines, ""), uint32(status))
				}
				want := watch([]string{"claude"})
				t.Logf("without us:\n%s", want)
				for _, gateway := range map[string][]string{"a script": {"on", "off"}, "with job control": {"off"}}[shell] {
					if got := watch([]string{afteryou, "run", "--"}, "AFTERYOU_GATEWAY="+gateway); got != want {
						t.Errorf("gateway %s: the loop ends\n%s\nwithout us\n%s", gateway, got, want)
					}
				}
			})
		}
	}
}
