package ratelimit

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// The wordings of 2.1.330, with those that reports from other versions name. All are anchored: a sentence that quotes
// one of them begins differently.
var (
	spendText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:API Error: (?:Request rejected )?\(?429\)?(?: ·)? )?(?:` +
			`[Cc]redit balance (?:is )?too low` +
			`|[Yy]our credit balance is too low` +
			`|[Ss]pend limit reached` +
			`|You have reached your specified API usage limits` +
			`|This organization has reached its (?:\w+ )?spend limit` +
			`|You've hit your (?:org's )?(?:\w+ )?spend limit` +
			`|(?:You're|Your org(?:anization)? is) out of usage\b)`)
	})
	windowText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:` +
			`You've (?:hit|reached) your (?:[\w-]+ ){1,3}limit(?: [·∙] .*)?$` +
			`|(?:5-hour|[Ww]eekly|[Ss]ession|[Uu]sage|Opus|Sonnet|Fable) limit(?: reached)? [·∙] (?:resets|limit resets|set to continue) .*` +
			`|You're out of (?:extra usage|usage credits) · resets .*` +
			`|Continuing automatically at .*` +
			`|Claude usage limit reached\. Your limit will reset at .*` +
			`|Claude AI usage limit reached\|(\d{9,11})$` +
			`)`)
	})
	requestsText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^API Error: (?:` +
			`Request rejected \(429\)(?: · .*)?$` +
			`|429\b.*` +
			`|Rate limit reached` +
			`|Server is temporarily limiting requests` +
			`)`)
	})
	overloadText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^API Error: (?:529\b|Repeated 529\b|Overloaded)`)
	})
)

// said reads the text in which Claude Code ends a turn.
func said(text string) (Limit, bool) {
	l := Limit{Dead: true, Message: text}
	// Credits that come back at a given time are a window like another.
	back := strings.HasPrefix(text, "You're out of") && strings.Contains(text, " · resets ")
	if spendText().MatchString(text) && !back {
		l.Kind = Spend
		return l, true
	}
	l.Wait = true
	if m := windowText().FindStringSubmatch(text); m != nil {
		l.Kind = UsageWindow
		if s, err := strconv.ParseFloat(m[1], 64); err == nil {
			l.ResetsAt, _ = epoch(s)
		}
		return l, true
	}
	switch {
	case requestsText().MatchString(text):
		l.Kind = Requests
		if strings.Contains(text, spendCode) {
			l.Kind, l.Wait = Spend, false
		}
	case overloadText().MatchString(text):
		l.Kind = Overload
	default:
		return Limit{}, false
	}
	return l, true
}
