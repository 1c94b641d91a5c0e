package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// command is one command of the command line. Help, completions and the manual page are made from it.
type command struct {
	name    string
	args    string // as help shows what may follow the name
	summary string // one line
	about   string // what more there is to know
	example string
	options []option
	words   []string // what may stand as an argument
	run     func(args []string, in, out, errs *os.File) (int, error)
}

// option is a flag of a command. Without a value it is a switch.
type option struct {
	name, value, help string
	words             []string // what the value may be, where that is known
}

// allCommands are all there are, in the order in which help shows them.
func allCommands() []command {
	quiet := func(f func(args []string, out, errs io.Writer) (int, error)) func([]string, *os.File, *os.File, *os.File) (int, error) {
		return func(args []string, _, out, errs *os.File) (int, error) { return f(args, printing{out}, printing{errs}) }
	}
	asJSON := option{name: "json", help: "print JSON"}
	putting := func(away bool) func([]string, *os.File, *os.File, *os.File) (int, error) {
		return func(args []string, in, out, errs *os.File) (int, error) { return runInstall(args, away, in, out, errs) }
	}
	places := []option{
		{name: "dry-run", help: "show what would change, and change nothing"},
		{name: "yes", help: "do not ask"},
		{name: "dir", value: "DIR", help: "directory of the shim; without it the first on PATH before the real claude's"},
	}
	return []command{
		{
			name: "run", args: "[--SETTING VALUE…] [--] ARGS…", summary: "Claude Code with ARGS, taking turns",
			about:   "The first argument that is no setting, and all after it, is Claude Code's. The exit code is Claude Code's too. The program does the same when it is called as claude, by a link earlier on PATH.",
			example: `afteryou run --turns strict -- -p "fix the tests"`,
			options: settingOptions(), run: runRun,
		},
		{
			name: "status", args: "[--watch|--json]", summary: "who has the turn, who waits, and for what",
			example: "afteryou status --watch", options: []option{{name: "watch", help: "show it live, with a line of what each session did lately; q quits"}, asJSON}, run: runStatus,
		},
		{
			name: "limits", args: "[--model MODEL] [--json]", summary: "ask the API how its limits stand",
			about: "One request, the smallest there is, with the key or token of the environment or of your Claude Code settings. " +
				"It asks for Claude Code's cheapest model unless told otherwise; each class of models has limits of its own. " +
				"Where it is limited, your sessions wait until that is over, and the exit code is 75.",
			example: "afteryou limits --json",
			options: []option{{name: "model", value: "MODEL", help: "ask for the limits of this model, named as the API does"}, asJSON}, run: quiet(runLimits),
		},
		{
			name: "statusline", args: "[--] [COMMAND [ARGS…]]", summary: "a segment for Claude Code's status line: turn 2 of 4 · limit 34s",
			about:   "COMMAND is the status line that you have: it gets its input, and the segment comes behind what it prints. It is run as it stands, without a shell; but one word that names no program is a line for /bin/sh. Without a turn or limit to wait for there is no segment. Without a refreshInterval Claude Code asks for a new line when the conversation goes on, and not while it waits.",
			example: `{"statusLine":{"type":"command","command":"afteryou statusline -- ~/line.sh","refreshInterval":1}}`,
			run:     runStatusline,
		},
		{
			name: "usage", args: "[--since DURATION] [--json]", summary: "requests and tokens by minute, hour and session, and what of them counts",
			about:   "It reads the transcripts of all projects. Requests that Claude Code does not write down (titles, compactions) are not in it, nor are rejected ones.",
			example: "afteryou usage --since 1h",
			options: []option{{name: "since", value: "DURATION", help: "how far back it looks; 24h unless said"}, asJSON}, run: quiet(runUsage),
		},
		{
			name: "log", args: "[--lines N]", summary: "which sessions a limit stopped, and how they went on",
			example: "afteryou log --lines 5", options: []option{{name: "lines", value: "N", help: "print the last N lines; 0 prints all"}}, run: quiet(runLog),
		},
		{
			name: "install", args: "[hooks|alias|completions|shim|all] [--dry-run] [--yes]", summary: "hooks for every session, and an alias",
			about: "hooks go into Claude Code's settings, so that sessions take turns however they are started; --watchdog puts CLAUDE_CODE_RETRY_WATCHDOG there too, as run does for its sessions. " +
				"alias makes claude mean afteryou run in bash, zsh and fish. shim does the same by a link named claude earlier on PATH. " +
				"completions go to where bash, zsh and fish look for them. " +
				"all, and nothing said, is hooks, alias and completions. The changes are shown, and made once you agree.",
			example: "afteryou install --dry-run",
			options: slices.Concat(places, []option{{name: "watchdog", help: "with hooks: every session waits out a limit of any length, however it is started"}}),
			words:   []string{"hooks", "alias", "completions", "shim", "all"}, run: putting(false),
		},
		{
			name: "uninstall", args: "[hooks|alias|completions|shim|all] [--dry-run] [--yes]", summary: "take them away again",
			about:   "Every file is as it was before, to the byte, or as you changed it meanwhile.",
			example: "afteryou uninstall all --yes",
			options: places, words: []string{"hooks", "alias", "completions", "shim", "all"}, run: putting(true),
		},
		{
			name: "doctor", args: "[--json]", summary: "what is wrong, and what cures it",
			about:   "The exit code is 1 when something is broken.",
			example: "afteryou doctor", options: []option{asJSON},
			run: func(args []string, _, out, errs *os.File) (int, error) { return runDoctor(args, out, errs) },
		},
		{
			name: "config", args: "[--write|--json]", summary: "the settings in force, and where each comes from",
			about:   "What it prints is a config.toml. The exit code is 64 when a setting is unknown or wrong.",
			example: "afteryou config --write",
			options: []option{{name: "write", help: "add to your config.toml what it lacks; all that stands there stays"}, asJSON}, run: quiet(runConfig),
		},
		{
			name: "demo", args: "[--sessions N] [--calls N] [--rpm N] …", summary: "real sessions on one small limit, without and with afteryou",
			about: "The server is a stand-in on this machine; no account is needed. The ideal is what the limit alone makes the work take, " +
				"so the time is from the first call that reaches the server to the end of the last answer (makespan_s in JSON); " +
				"beside it stands the time from the start of the first process to the end of the last (wall_s). " +
				"The first call of a conversation takes twice the input tokens of a later one. " +
				"What the server does beside is said by --server, in words with commas between them: it has no headers of its limits, or " +
				"headers that lie; a 429 does not say when to come again, or which limit it is; what remains is counted at admission, " +
				"not when the answer begins.",
			example: "afteryou demo --sessions 4 --rpm 30",
			options: []option{
				{name: "sessions", value: "N", help: "how many sessions run at once"},
				{name: "calls", value: "N", help: "how many calls to the model each makes"},
				{name: "subagents", value: "N", help: "how many subagents each session starts, to make the calls"},
				{name: "rpm", value: "N", help: "the limit, in calls a minute; 60 unless there is one of tokens"},
				{name: "itpm", value: "N", help: "the limit, in input tokens a minute; a call takes 1000"},
				{name: "burst", value: "N", help: "how many calls the limit lets through at once"},
				{name: "ttft", value: "DURATION", help: "when an answer begins, a quarter more or less; 800ms unless said"},
				{name: "speed", value: "N", help: "how many tokens a second come from then on; all at once if not given"},
				{name: "server", value: "WORDS", help: "also no-headers or lying-headers, no-retry-after, unnamed-limit, at-admission",
					words: []string{"no-headers", "lying-headers", "no-retry-after", "unnamed-limit", "at-admission"}},
				{name: "cloud", value: "NAME", help: "the API that is spoken instead: vertex or bedrock", words: []string{"vertex", "bedrock"}},
				{name: "cut", help: "cut the limit to a third half-way, and restore it"},
				{name: "gateway", help: "take turns at the gateway, not by hooks alone"},
				asJSON,
			},
			run: func(args []string, _, out, errs *os.File) (int, error) { return runDemo(args, out, errs) },
		},
		{
			name: "hook", args: "[wake]", summary: "called by Claude Code at each step of a session",
			about:   "The event comes as JSON on standard input. Whatever is wrong, the session goes on.",
			example: `echo '{"hook_event_name":"Stop","session_id":"1"}' | afteryou hook`,
			words:   []string{"wake"}, run: runHook,
		},
		{
			name: "completion", args: "bash|zsh|fish", summary: "completions for a shell",
			example: "source <(afteryou completion bash)",
			words:   []string{"bash", "zsh", "fish"}, run: quiet(runCompletion),
		},
		{
			name: "man", summary: "the manual page",
			example: "afteryou man | man -l -", run: quiet(runMan),
		},
	}
}

// settingOptions are the settings as flags of run.
func settingOptions() (list []option) {
	for _, name := range names {
		o := option{name: strings.ReplaceAll(name, "_", "-")}
		switch name {
		case "claude":
			o.value, o.help = "PATH", "the real Claude Code, where it isn't found"
		case "turns":
			o.value, o.help, o.words = "auto|strict|N", "strict: one call at a time; a number: so many at most", []string{"auto", "strict"}
		case "gap":
			o.value, o.help = "DURATION", "least time between two calls of one session"
		case "max_wait":
			o.value, o.help = "DURATION", "longest time that a call is held back"
		case "rpm":
			o.value, o.help = "N", "calls a minute at most, of all sessions together"
		case "itpm":
			o.value, o.help = "N", "input tokens a minute at most, without what comes from the cache"
		case "otpm":
			o.value, o.help = "N", "output tokens a minute at most"
		case "priority":
			o.value, o.help, o.words = "none|interactive", "interactive: three of four turns are for sessions in a terminal", []string{"none", "interactive"}
		case "max_resumes":
			o.value, o.help = "N", "how often a session goes on by itself without an answer in between"
		case "gateway":
			o.value, o.help, o.words = "auto|on|off", "whether calls go through a proxy in the launcher", []string{"auto", "on", "off"}
		case "resume":
			o.value, o.help, o.words = "on|off", "whether a session whose turn died of a limit goes on by itself", []string{"on", "off"}
		case "quiet":
			o.value, o.help = "HH:MM-HH:MM|off", "hours in which no session is made to go on"
		case "probe":
			o.value, o.help, o.words = "on|off", "whether the API is asked how long a limit lasts, where nothing says so", []string{"on", "off"}
		case "notify":
			o.value, o.help, o.words = "on|off", "a notification and the bell when a session goes on after a minute's wait or more", []string{"on", "off"}
		case "off":
			o.value, o.help, o.words = "true|false", "be a plain claude", []string{"true", "false"}
		}
		list = append(list, o)
	}
	return list
}

// lookup finds a command by its name.
func lookup(name string) (command, bool) {
	for _, c := range allCommands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// overview is what afteryou --help prints.
func overview() string {
	var b strings.Builder
	b.WriteString("usage: afteryou COMMAND …\n\n")
	for _, c := range allCommands() {
		fmt.Fprintf(&b, "  %-11s %s\n", c.name, c.summary)
	}
	b.WriteString("\nafteryou COMMAND --help says more; afteryou --version says which this is.\nTo use it for every session: afteryou install, or alias claude='afteryou run --'\n")
	return b.String()
}

// help is what afteryou COMMAND --help prints.
func (c command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n\n%s.\n", strings.TrimSpace("afteryou "+c.name+" "+c.args), strings.ToUpper(c.summary[:1])+c.summary[1:])
	if c.about != "" {
		b.WriteString(wrapped(c.about, 80))
	}
	if len(c.options) > 0 {
		b.WriteByte('\n')
	}
	for _, o := range c.options {
		fmt.Fprintf(&b, "  %-24s %s\n", strings.TrimSpace("--"+o.name+" "+o.value), o.help)
	}
	fmt.Fprintf(&b, "\nexample: %s\n", c.example)
	return b.String()
}

// wrapped is text in lines of at most so many letters.
func wrapped(text string, width int) string {
	var b strings.Builder
	at := 0
	for _, w := range strings.Fields(text) {
		n := len([]rune(w))
		switch {
		case at == 0:
		case at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at += n
	}
	b.WriteByte('\n')
	return b.String()
}

// parse reads the flags of a command, and stops it when they say so.
func parse(flags *flag.FlagSet, args []string, errs io.Writer) (code int, ok bool) {
	if err := flags.Parse(asked(flags, args, errs)); err != nil {
		return flagCode(err), false
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(errs, "afteryou: %s takes no argument %q\n", flags.Name(), flags.Arg(0))
		return exitUsage, false
	}
	return 0, true
}

// asked makes the flags print our own help.
func asked(flags *flag.FlagSet, args []string, errs io.Writer) []string {
	flags.SetOutput(printing{errs})
	flags.Usage = func() {
		if c, ok := lookup(flags.Name()); ok && slices.ContainsFunc(args, isHelp) {
			fmt.Fprint(os.Stdout, c.help())
			return
		}
		fmt.Fprintf(errs, "hint: afteryou %s --help shows what there is\n", flags.Name())
	}
	return args
}

func isHelp(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" || arg == "--h" }

func flagCode(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return exitUsage
}
