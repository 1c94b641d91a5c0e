package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"afteryou/internal/demo"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// crowd is the sessions of a race. None is told its prompt before all show theirs: some need seconds longer to start.
type crowd struct {
	size int

	mu    sync.Mutex
	ready int
	all   chan struct{} // closed when all of a round are ready
}

// arrive waits until as many have arrived as there are sessions.
func (c *crowd) arrive(ctx context.Context) {
	c.mu.Lock()
	if c.ready == 0 {
		c.all = make(chan struct{})
	}
	all := c.all
	if c.ready++; c.ready == c.size {
		c.ready = 0
		close(all)
	}
	c.mu.Unlock()
	select {
	case <-all:
	case <-ctx.Done():
	}
}

// drive runs one session in a terminal.
func (c *crowd) drive(ctx context.Context, s realclaude.Session, id string) (end demo.Outcome) {
	term, err := terminal.Open(s, 100, 30, "--session-id", id)
	if err == nil {
		defer term.Close()
		err = term.WaitReady(ctx)
	}
	c.arrive(ctx)
	if err != nil {
		return demo.Outcome{Code: -1, Err: err}
	}
	if end.Err = term.Type(demo.Prompt); end.Err == nil {
		end.Err = term.WaitUntil(ctx, "the last word", func(screen string) bool {
			end.Says = speaks(end.Says, screen)
			return strings.Contains(screen, "● "+demo.Finished)
		})
	}
	if end.Err == nil {
		end.Err = term.Type("/exit")
	}
	if end.Err == nil {
		end.Code, end.Err = term.Wait(ctx)
	}
	if end.Err == nil && end.Code != 0 {
		end.Err = fmt.Errorf("exit code %d", end.Code)
	}
	return end
}

var (
	ofLimits = regexp.MustCompile(`(?i)afteryou: |retrying|\battempt\b|API error|too many requests|rate.?limit`)
	besides  = regexp.MustCompile(`^[·✢✳✶✻✽*] afteryou: `) // the spinner, whose sign changes
	aNumber  = regexp.MustCompile(`[0-9]+`)
)

// speaks adds the lines of a screen that speak of limits, but for that of the spinner. Numbers are left out: each is a line
// once.
func speaks(says []string, screen string) []string {
	for line := range strings.Lines(screen) {
		line = aNumber.ReplaceAllString(strings.TrimSpace(line), "#")
		if ofLimits.MatchString(line) && !besides.MatchString(line) && !slices.Contains(says, line) {
			says = append(says, line)
		}
	}
	return says
}
