package claude

import "strings"

// Kind is the kind of a command line of Claude Code.
type Kind int

const (
	Other       Kind = iota // no chat session: hand over untouched
	Print                   // one answer on standard output
	Interactive             // a session on a terminal
)

// arity says which values may follow a flag.
type arity int

const (
	none     arity = iota
	one            // <value>: the next argument, whatever it looks like
	optional       // [value]: the next argument, unless it begins with a dash
	many           // <values...>: one, then all up to the next that begins with a dash
	leave          // with this flag it is no chat session here
)

// flags lists those of 2.1.332: its --help, and the hidden ones that its code declares for the same command, with those of
// 2.1.332 that must stand first. Releases bring new ones almost daily: see walk.
var flags = map[string]arity{
	"--ablation": one, "--add-dir": many, "--advisor": one, "--agent": one, "--agent-color": one, "--agent-id": one,
	"--agent-name": one, "--agent-type": one, "--agents": one, "--allow-dangerously-skip-permissions": none,
	"--allowedTools": many, "--allowed-tools": many, "--append-subagent-system-prompt": one,
	"--append-subagent-system-prompt-file": one, "--append-system-prompt": one, "--append-system-prompt-file": one,
	"--autocompact": one, "--ax-screen-reader": none, "--bare": none, "--betas": many, "--brief": none,
	"--channels": many, "--chrome": none, "--continue": none, "-c": none, "--dangerously-load-development-channels": many,
	"--dangerously-skip-permissions": none, "--debug": optional, "-d": optional, "--debug-file": one,
	"--debug-to-stderr": none, "-d2e": none, "--disable-slash-commands": none, "--disallowedTools": many,
	"--disallowed-tools": many, "--effort": one, "--enable-auth-status": none, "--enable-auto-mode": none,
	"--exclude-dynamic-system-prompt-sections": none, "--fallback-model": one, "--fast-mode": one, "--file": many,
	"--fork-session": none, "--forward-subagent-text": none, "--from-pr": optional, "--ide": none,
	"--include-hook-events": none, "--include-partial-messages": none, "--input-format": one, "--json-schema": one,
	"--managed-settings": one, "--max-budget-usd": one, "--max-thinking-tokens": one, "--max-turns": one, "--mcp-config": many,
	"--model": one, "--name": one, "-n": one, "--no-chrome": none, "--no-session-persistence": none,
	"--output-format": one, "--permission-mode": one, "--permission-prompt-tool": one, "--permission-prompts": one,
	"--plan-mode-instructions": one, "--plugin-dir": one, "--plugin-dir-no-mcp": one, "--plugin-url": one,
	"--prefill": one, "--print": none, "-p": none, "--prompt-suggestions": optional, "--rc": optional,
	"--remote-control": optional, "--remote-control-session-name-prefix": one, "--replay-user-messages": none,
	"--restricted": none, "--resume": optional, "-r": optional, "--resume-session-at": one, "--rewind-files": one,
	"--safe-mode": none, "--session-id": one, "--setting-sources": one, "--settings": one, "--strict-mcp-config": none,
	"--system-prompt": one, "--system-prompt-file": one, "--system-prompt-snapshot": one, "--task-budget": one,
	"--thinking": one, "--thinking-display": one, "--tools": many, "--verbose": none,
	"--worktree": optional, "-w": optional,

	"--background": leave, "--bg": leave, "--cloud": leave, "--desktop": leave, "--environment": leave, "--help": leave,
	"-h": leave, "--init-only": leave, "--maintenance": leave, "--remote": leave, "--sdk-url": leave, "--teleport": leave, "--tmux": leave,
	"--version": leave, "-v": leave,

	// What it starts itself by. They are read in the first place only, so that nothing may be put before them.
	"--bg-pty-host": leave, "--bg-spare": leave, "--check-against-schema": leave, "--chrome-native-host": leave,
	"--claude-in-chrome-mcp": leave, "--daemon-worker": leave, "--eval-mock-server": leave, "--gh-standin": leave,
	"--handle-uri": leave, "--preload": leave, "--update": leave, "--upgrade": leave,
}

// commands are the subcommands of 2.1.332, of its --help and hidden ones, and those of its documentation. Before most of
// them a --settings changes nothing; but attach, daemon, logs, rc, remote-control, respawn, rm, self-hosted-runner, stop
// and kill are known in the first place only, and are a prompt, or refused, behind it (2.1.332). Any other word is a prompt
// to Claude Code, and so it is here.
var commands = words(`agents attach auth auto-mode daemon design-login doctor edit-chrome-settings edit-hook
	edit-memory-settings edit-permission-rules edit-sandbox-settings edit-skill-overrides gateway help import
	import-conversations install logs mcp plugin plugins project purge rc remote-control respawn rm sandbox
	self-hosted-runner setup-token stop kill test ultrareview update upgrade workspace-trust worktree-hook config migrate-installer`)

func words(s string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// Sort returns the kind of a command line, without the program's name. What is unknown is a session: -p is looked for all
// the same, and where it is missed the session only gets a terminal of its own that it does not need.
func Sort(args []string) Kind {
	k, words, other := Interactive, 0, false
	walk(args, func(a arg) {
		switch {
		case a.flag == "":
			words++
			other = other || words == 1 && commands[args[a.at]] // even after --
		case flags[a.flag] == leave:
			other = true
		case a.flag == "-p" || a.flag == "--print":
			k = Print
		}
	})
	if other {
		return Other
	}
	return k
}

// arg is one flag or one word of a command line.
type arg struct {
	flag  string // as in flags; "" for a word
	at    int    // index of the flag or word
	value int    // index of the argument that holds the flag's first value, -1 without
	start int    // where in that argument the value begins
}

// walk calls f with each flag and word, as the program's own parser (commander) reads them. It reports whether that is
// certain. It is not where a flag is unknown, lacks its value or has one it does not take: a later version knows better.
// The argument behind an unknown flag counts as its value unless it begins with a dash.
func walk(args []string, f func(arg)) (certain bool) {
	certain = true
	for i := 0; i < len(args); {
		s := args[i]
		if s == "--" {
			for i++; i < len(args); i++ {
				f(arg{at: i, value: -1})
			}
			return certain
		}
		if !dashed(s) {
			f(arg{at: i, value: -1})
			i++
			continue
		}
		found, next, known := flagAt(args, i)
		for _, a := range found {
			f(a)
		}
		i, certain = next, certain && known
	}
	return certain
}

// dashed reports whether s looks like a flag; a lone dash does not.
func dashed(s string) bool { return len(s) > 1 && s[0] == '-' }

// flagAt reads the flag at i, or the several of -cp.
func flagAt(args []string, i int) (found []arg, next int, known bool) {
	s := args[i]
	name, _, joined := strings.Cut(s, "=")
	takes, known := flags[name]
	switch {
	case joined && strings.HasPrefix(s, "--"):
		return []arg{{flag: name, at: i, value: i, start: len(name) + 1}}, i + 1, known && takes != none
	case !joined && (known || strings.HasPrefix(s, "--")):
		a, next, complete := valueOf(args, arg{flag: name, at: i, value: -1}, i+1)
		return []arg{a}, next, known && complete
	}
	// -cp is -c -p, -nfoo is -n foo.
	for at := 1; at < len(s); at++ {
		a := arg{flag: "-" + s[at:at+1], at: i, value: -1}
		takes, known := flags[a.flag]
		if known && (takes == none || takes == leave) {
			found = append(found, a)
			continue
		}
		if at+1 < len(s) { // of an unknown one these may be flags too
			a.value, a.start = i, at+1
			return append(found, a), i + 1, known
		}
		a, next, complete := valueOf(args, a, i+1)
		return append(found, a), next, known && complete
	}
	return found, i + 1, true
}

// valueOf takes the values of a flag from args at i on. It is not complete where one is lacking.
func valueOf(args []string, a arg, i int) (_ arg, next int, complete bool) {
	takes, known := flags[a.flag]
	if !known {
		takes = optional
	}
	switch free := i < len(args) && !dashed(args[i]); {
	case (takes == one || takes == many) && i == len(args):
		return a, i, false
	case takes == one || takes == many || takes == optional && free:
		a.value = i
		i++
	}
	for takes == many && i < len(args) && !dashed(args[i]) {
		i++
	}
	return a, i, true
}
