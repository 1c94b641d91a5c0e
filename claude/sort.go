package claude

import "strings"

// Kind is what a command line of Claude Code asks for.
type Kind int

const (
	Other       Kind = iota // no chat session, or not known: hand over untouched
	Print                   // one answer on standard output
	Interactive             // a session on a terminal
)

func (k Kind) String() string { return [...]string{"other", "print", "interactive"}[k] }

// arity is what may follow a flag.
type arity int

const (
	none     arity = iota
	one            // <value>: the next argument, whatever it looks like
	optional       // [value]: the next argument, unless it begins with a dash
	many           // <values...>: one, then all up to the next that begins with a dash
	leave          // with this flag it is no chat session here
)

// flags are those of 2.1.330: its --help, and the hidden ones that its code declares for the same command. A flag that
// is not here makes the command line unknown.
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
}

// commands are the subcommands of 2.1.330, of its --help and hidden ones, and those of its documentation.
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

// Sort tells what args, without the program's name, ask for.
func Sort(args []string) Kind {
	k := Interactive
	words := 0
	known := walk(args, func(a arg) bool {
		switch {
		case a.flag == "":
			words++
			return words > 1 || !commands[args[a.at]] // the first word, even after --
		case flags[a.flag] == leave:
			return false
		case a.flag == "-p" || a.flag == "--print":
			k = Print
		}
		return true
	})
	if !known {
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

// walk calls f with each flag and word, as the program's own parser (commander) reads them, and reports whether it got
// to the end: it stops at a flag that is not known, at one that lacks its value, or when f says so.
func walk(args []string, f func(arg) bool) bool {
	for i := 0; i < len(args); {
		s := args[i]
		if s == "--" {
			for i++; i < len(args); i++ {
				if !f(arg{at: i, value: -1}) {
					return false
				}
			}
			return true
		}
		if !dashed(s) {
			if !f(arg{at: i, value: -1}) {
				return false
			}
			i++
			continue
		}
		a, next, ok := flagAt(args, i)
		if !ok {
			return false
		}
		for _, a := range a {
			if !f(a) {
				return false
			}
		}
		i = next
	}
	return true
}

// dashed is whether s looks like a flag; a lone dash does not.
func dashed(s string) bool { return len(s) > 1 && s[0] == '-' }

// flagAt reads the flag at i, or the several of -cp.
func flagAt(args []string, i int) (found []arg, next int, ok bool) {
	s := args[i]
	name, _, joined := strings.Cut(s, "=")
	takes, known := flags[name]
	switch {
	case known && joined && strings.HasPrefix(s, "--"):
		if takes == none {
			return nil, 0, false
		}
		return []arg{{flag: name, at: i, value: i, start: len(name) + 1}}, i + 1, true
	case known && !joined:
		a := arg{flag: name, at: i, value: -1}
		i++
		if takes == one || takes == many {
			if i == len(args) {
				return nil, 0, false
			}
			a.value = i
			i++
		} else if takes == optional && i < len(args) && !dashed(args[i]) {
			a.value = i
			i++
		}
		for takes == many && i < len(args) && !dashed(args[i]) {
			i++
		}
		return []arg{a}, i, true
	case strings.HasPrefix(s, "--"):
		return nil, 0, false
	}
	// -cp is -c -p, -nfoo is -n foo.
	for at := 1; at < len(s); at++ {
		name := "-" + s[at:at+1]
		takes, known := flags[name]
		a := arg{flag: name, at: i, value: -1}
		switch {
		case !known:
			return nil, 0, false
		case takes == none || takes == leave:
			found = append(found, a)
			continue
		case at+1 < len(s):
			a.value, a.start = i, at+1
			return append(found, a), i + 1, true
		}
		rest, next, ok := flagAt(append([]string{name}, args[i+1:]...), 0)
		if !ok {
			return nil, 0, false
		}
		a = rest[0]
		a.at += i
		if a.value >= 0 {
			a.value += i
		}
		return append(found, a), i + next, true
	}
	return found, i + 1, true
}
