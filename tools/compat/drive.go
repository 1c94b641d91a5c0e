package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// How long after the limit's end a session is given, before it is taken to stay as it is.
const (
	grace      = time.Minute       // of a turn that died of a rate limit
	usageGrace = 330 * time.Second // of a usage limit: Claude Code goes on ~90 s after the reset, our hook 3 min after, by minutes
	spendGrace = 45 * time.Second  // longer than the first blind cool-down
	retrying   = 200 * time.Second // of a turn that is alive: ten tries take 192 s
	// linger is the time for which a session is watched after its end: something may come a second time.
	linger = 5 * time.Second
	// shown is the time from the limit's beginning on of which a terminal's output is kept.
	shown = 5 * time.Second
)

// onTerminal has the person ask, and looks on.
func (b *bench) onTerminal(ctx context.Context, r *Result) (map[string][]byte, error) {
	term, err := terminal.Open(b.session, 100, 30, b.args...)
	if err != nil {
		return nil, err
	}
	defer term.Close()
	ready, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	if err := term.WaitReady(ready); err != nil {
		return nil, err
	}
	if err := b.ask(ctx, term); err != nil {
		return nil, err
	}
	kept := 0
	var last time.Time // when it was answered
	for ; ; time.Sleep(100 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		begun, ok := b.limit.at()
		if !ok {
			if now.Sub(b.began) > startup {
				return nil, fmt.Errorf("the limit was never met; the screen:\n%s", term.Screen())
			}
			continue
		}
		if kept == 0 && now.Sub(begun) > shown {
			kept = len(term.Raw())
		}
		if _, ok := b.answered(); ok && strings.Contains(term.Screen(), "done") {
			if last.IsZero() {
				last = now
			}
			if now.Sub(last) > linger && now.After(b.wakes(begun)) {
				r.Answered = true
				break
			}
			continue
		}
		if b.situation.answer != nil && now.After(b.patience(begun)) {
			break
		}
	}
	raw := term.Raw()
	if kept == 0 {
		kept = len(raw)
	}
	screen := term.Screen()
	r.Died = b.died()
	r.UserTold = r.Died != "" && strings.Contains(squeeze(term.Text()), squeeze(head(r.Died, 60)))
	r.Menu = !r.Answered && strings.Contains(screen, "Enter to confirm")
	r.Trying = !r.Answered && r.Died == "" && strings.Contains(strings.ToLower(screen), "retrying in")
	caught := map[string][]byte{"pty": raw[:kept], "screen": []byte(screen)}
	return caught, term.Close() // SessionEnd comes with it
}

// ask types the prompt. A program that is still busy with its start may take the Enter for a line break (2.0.76): the
// person sees that and presses the key again.
func (b *bench) ask(ctx context.Context, term *terminal.Terminal) error {
	if err := term.Type(prompt); err != nil {
		return err
	}
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		for _, r := range b.api.Log() {
			if strings.Contains(r.LastText, prompt) {
				return nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(b.began) > startup:
			return fmt.Errorf("the prompt was never sent; the screen:\n%s", term.Screen())
		case time.Since(begin) > 15*time.Second:
			begin = time.Now()
			if err := term.Send([]byte("\r")); err != nil {
				return err
			}
		}
	}
}

// wakes returns until when our hook may still wake a session whose turn a usage limit has ended.
func (b *bench) wakes(begun time.Time) time.Time {
	if b.situation.name == "usage" && strings.Contains(b.logged(), "stopped by") {
		return begun.Add(b.lasts + 3*time.Minute + 10*time.Second)
	}
	return time.Time{}
}

// patience returns until when a session may still go on.
func (b *bench) patience(begun time.Time) time.Time {
	end := begun.Add(b.lasts)
	switch {
	case b.died() == "":
		return end.Add(retrying)
	case b.lasts == 0:
		return end.Add(spendGrace)
	case strings.Contains(b.logged(), "stays stopped"):
		return end.Add(linger)
	case b.situation.name == "usage":
		return end.Add(usageGrace)
	}
	return end.Add(grace)
}

// withPrint runs -p to its end.
func (b *bench) withPrint(ctx context.Context, r *Result) (map[string][]byte, error) {
	args := append([]string{"--output-format", b.mode}, b.args...)
	if b.mode == "stream-json" {
		args = append(args, "--verbose")
	}
	bounded, cancel := context.WithTimeout(ctx, startup+b.lasts+retrying)
	defer cancel()
	b.met = func() { time.AfterFunc(b.lasts+retrying, cancel) }
	p, err := realclaude.Print(bounded, b.session, append(args, prompt)...)
	_, met := b.limit.at()
	switch {
	case err != nil && met && ctx.Err() == nil && bounded.Err() != nil:
		r.Trying = true
	case err != nil:
		return nil, err
	case !met:
		return nil, fmt.Errorf("the limit was never met; it ends with %d, says %q and %q", p.Code, p.Stdout, p.Stderr)
	}
	_, answered := b.answered()
	result := said(b.mode, p.Stdout)
	r.Exit = p.Code
	r.Answered = answered && !r.Trying && p.Code == 0 && result == "done"
	r.Died = b.died()
	r.UserTold = !r.Trying && p.Code != 0 && (result != "" || p.Stderr != "")
	caught := map[string][]byte{b.mode: essence(b.mode, p.Stdout), "stderr": []byte(p.Stderr)}
	return caught, nil
}

// said returns the result that -p prints.
func said(mode, stdout string) string {
	if mode == "text" {
		return strings.TrimSpace(stdout)
	}
	result := ""
	for line := range strings.Lines(stdout) {
		var row struct{ Type, Result string }
		if json.Unmarshal([]byte(line), &row) == nil && row.Type == "result" {
			result = row.Result
		}
	}
	return result
}

// essence returns the output without what a stream says of other things than limits.
func essence(mode, stdout string) []byte {
	if mode != "stream-json" {
		return []byte(stdout)
	}
	var kept bytes.Buffer
	for line := range strings.Lines(stdout) {
		var row struct {
			Type, Subtype string
			Message       struct{ Model string }
		}
		if json.Unmarshal([]byte(line), &row) != nil || row.Subtype == "api_retry" || row.Type == "rate_limit_event" ||
			row.Type == "result" || row.Message.Model == "<synthetic>" {
			kept.WriteString(line)
		}
	}
	return kept.Bytes()
}

func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

func head(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(n, len(runes))])
}
