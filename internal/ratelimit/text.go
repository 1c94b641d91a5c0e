package ratelimit

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The wordings of 2.0.55 to 2.1.330, with those that reports from other versions name. All are anchored: a sentence that
// quotes one of them begins differently.
var (
	spendText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:API Error: (?:Request rejected )?\(?429\)?(?: ·)? )?(?:` +
			`[Cc]redit balance (?:is )?too low` +
			`|[Yy]our credit balance is too low` +
			`|[Ss]pend limit reached` +
			`|You have reached your specified API usage limits` +
			`|This organization has reached its (?:\w+ )?spend limit` +
			`|You've hit your (?:[\w']+ )?(?:\w+ )?spend limit` +
			`|(?:You're|Your org(?:anization)? is) out of (?:extra )?usage\b` +
			`|Your seat type doesn't include ` +
			`|Your usage allocation has been disabled by your admin` +
			`|Your group's usage limit is set to \$0)`)
	})
	windowText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:` +
			`You've (?:hit|reached) your (?:[\w'-]+ ){0,4}limit(?: [·∙] .*)?\.?$` +
			`|(?:5-hour|[Ww]eekly|[Ss]ession|[Uu]sage|Opus|Sonnet|Fable) limit(?: reached)?(?: again)? [·∙] (?:resets|limit resets|set to continue) .*` +
			`|Opus weekly limit reached [·∙] resets .*` +
			`|(?:You're|Your org(?:anization)? is) out of (?:extra usage|usage credits|usage) · resets .*` +
			`|Continuing automatically at .*)`)
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
	// fastText is a limit of the fast mode: Claude Code goes on without it.
	fastText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:You've (?:hit|reached) your fast limit|Fast limit reached)\b`)
	})
	// rateText is the limit's name in the API's message of a 429: "your organization's rate limit of 30,000 input tokens
	// per minute".
	rateText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:\bof ([\d,]{1,15}) )?\b(requests|(?:input |output )?tokens) per minute\b`)
	})
	// resetText stands before the time at which a window opens again.
	resetText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?: (?:[·∙]|limit|reached) (?:limit )?resets |[Cc]ontinu(?:e|ing) automatically )`)
	})
)

// Text reads the words in which Claude Code ends a turn, or says that it waits for a usage limit: of its screen, its
// transcript or its -p output, without what stands before them there. They were written at now, in the zone local, unless
// they name another. A text without a time is a limit without one.
func Text(text string, now time.Time, local *time.Location) (Limit, bool) {
	if len(text) > 4096 || fastText().MatchString(text) {
		return Limit{}, false
	}
	l := Limit{Dead: true, Message: text}
	window := windowText().MatchString(text)
	// Money that comes back at a given time is a window like another.
	back := window && strings.Contains(text, "out of") && strings.Contains(text, " · resets ")
	if spendText().MatchString(text) && !back {
		l.Kind = Spend
		return l, true
	}
	l.Wait = true
	if window {
		l.Kind = UsageWindow
		if i := resetText().FindStringIndex(text); i != nil {
			l.ResetsAt, l.Within, _ = at(text[i[1]:], now, local)
		}
		return l, true
	}
	switch {
	case requestsText().MatchString(text):
		l.Kind = Requests
		if l.readRate(text); strings.Contains(text, spendCode) {
			l.Kind, l.Wait = Spend, false
		}
	case overloadText().MatchString(text):
		l.Kind = Overload
	default:
		return Limit{}, false
	}
	return l, true
}

// limitReached matches the reason of a countdown that waits for a usage limit.
var limitReached = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[\w-]+ ){1,2}limit reached$`) })

// Reason reads why Claude Code waits to try again, in the words of its countdown (2.1.186 and later). It is not ok for what is no limit.
func Reason(reason string) (Limit, bool) {
	l := Limit{Wait: true, Message: reason}
	switch {
	case spendText().MatchString(strings.TrimPrefix(reason, "429 ")):
		l.Kind, l.Wait = Spend, false
	case limitReached().MatchString(reason):
		l.Kind = UsageWindow
	case rateText().MatchString(reason), strings.HasPrefix(reason, "429 "), reason == "Rate limited":
		l.Kind = Requests
		l.readRate(reason)
	case strings.HasPrefix(reason, "529 "), reason == "API overloaded":
		l.Kind = Overload
	case reason == "API error":
		l.Kind = Unnamed
	default:
		return Limit{}, false
	}
	return l, true
}

// readRate takes the limit per minute from the message of a 429.
func (l *Limit) readRate(text string) {
	m := rateText().FindStringSubmatch(text)
	if m == nil {
		return
	}
	if m[2] != "requests" {
		l.Kind = Tokens
	}
	if limit, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64); err == nil && limit >= 1 && limit <= maxRate {
		l.Rate = Rate{Name: strings.ReplaceAll(m[2], " ", "-"), Limit: limit}
	}
}
