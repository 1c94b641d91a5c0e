// Afteryou lets several Claude Code sessions on one machine share one API rate limit: they take turns, and when one
// of them is told to wait, all of them do, and go on by themselves.
//
//	afteryou run [--] ARGS…   Claude Code with ARGS, taking turns (also when called as claude)
//	afteryou hook             called by Claude Code at each step of a session
//	afteryou status           who has the turn, who waits, and for what
//
// Package internal/cli has all commands, README.md the rest, and docs/design.md how the parts fit together.
package main

import (
	"os"

	"afteryou/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
