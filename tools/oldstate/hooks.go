package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"afteryou/internal/fakeapi"
)

// line: who has the turn and who waits, with budgets, with -p, as a subagent, for a class of models; what calls took.
func line(m *machine) {
	const rules = "AFTERYOU_TURNS=strict"
	first := m.session("first", rules, "AFTERYOU_PRIORITY=interactive", launched, viaCLI)
	budgeted := m.session("budgeted", rules, "AFTERYOU_PRIORITY=interactive", "AFTERYOU_RPM=40", "AFTERYOU_ITPM=90000", "AFTERYOU_OTPM=20000", launched, viaCLI)
	unattended := m.session("unattended", rules, "AFTERYOU_PRIORITY=interactive", viaSDK)
	budgeted.called(opus, 1200, 80)
	first.called(haiku, 900, 60)

	first.hook("UserPromptSubmit", "prompt", "go on")
	first.sends(haiku)
	unattended.asks("UserPromptSubmit", "prompt", "go on")
	budgeted.asks("UserPromptSubmit", "prompt", "go on")
	budgeted.asks("SubagentStart", "agent_id", "a1", "agent_type", "Explore")
	first.asks("PostToolBatch") // gives its turn back first, and passes -p
	m.until("the session with a budget has the turn", func(p pool) bool { return has(p.Grants, "session", budgeted.id, "budget") > 0 })
	m.keep("")
	budgeted.sends(opus)
	budgeted.write(answer(opus, 1500, 90))
	budgeted.hook("Stop")
	m.until("the subagent has the turn", func(p pool) bool { return has(p.Grants, "agent", "a1") > 0 })
	budgeted.writeAgent("a1", request(time.Now(), haiku))
	m.until("its call was seen", func(p pool) bool { return has(p.Callers, "agent", "a1", "row") > 0 })
	m.keep("subagent")
	if m.other != "" {
		budgeted.hookOf(m.other, "SubagentStop", "agent_id", "a1")
		m.until("the next has the turn", func(p pool) bool { return has(p.Grants, "session", first.id) > 0 })
		m.keep("then-" + filepath.Base(m.other))
	}
}

// pace: what is learned of the pace, from calls on trial to a cut; a retry that is announced, one that is known because it
// came; who is in doubt for it.
func pace(m *machine) {
	unattended, mute, other, last := m.session("unattended", viaSDK), m.session("mute"), m.session("other"), m.session("last", viaSDK)
	unattended.called(opus, 1000, 50)
	mute.hook("UserPromptSubmit", "prompt", "go on")
	unattended.hook("UserPromptSubmit", "prompt", "go on")
	unattended.sends(opus)
	last.reads()
	m.keep("trial") // no 429 yet

	unattended.write(retry(unnamed, 500*time.Millisecond, 1, "null"))
	unattended.reads()
	m.keep("hot")
	other.hook("SubagentStart", "agent_id", "a1", "agent_type", "Explore")
	time.Sleep(600 * time.Millisecond)
	unattended.write(request(time.Now(), opus), answer(opus, 1100, 70))
	unattended.hook("Stop")
	for range 4 { // those that wait raise the pace
		unattended.called(opus, 1100, 70)
	}
	unattended.hook("UserPromptSubmit", "prompt", "go on")
	unattended.sends(opus)
	unattended.write(retry(unnamed, 8*time.Second, 1, "null")) // the first cut
	sent := time.Now()
	other.writeAgent("a1", request(sent.Add(-50*time.Millisecond), haiku))
	mute.write(request(sent, haiku))
	mute.hook("PreToolUse")
	mute.hook("PostToolBatch")
	other.writeAgent("a1", request(sent.Add(20*time.Second), haiku)) // its clock is ahead: the try after the rejection is to come
	last.asks("UserPromptSubmit", "prompt", "go on")
	m.until("a retry came late", func(p pool) bool { return has(p.Retries, "late", true) > 0 })
	m.keep("")
}

// faded: a minute after the last call the pace is a memory.
func faded(m *machine) {
	s := m.session("unattended", viaSDK)
	s.hook("UserPromptSubmit", "prompt", "go on")
	s.sends(opus)
	s.write(retry(unnamed, time.Second, 1, "null"))
	s.reads()
	s.hook("StopFailure", "error", "rate_limit")
	time.Sleep(63 * time.Second)
	s.reads()
	m.until("the pace is a memory", func(p pool) bool { return p.Pace["faded"] == true })
	m.keep("")
}

// named: limits that a 429's message names, of requests and of tokens, and a call that may never fit.
func named(m *machine) {
	one, two, three, large := m.session("requests", viaSDK), m.session("output", viaSDK), m.session("total", viaSDK), m.session("large", viaSDK)
	for _, s := range []*session{one, two, three, large} {
		s.called(opus, 3000, 200)
	}
	reject := func(s *session, limit string, in time.Duration, attempt int) {
		s.hook("UserPromptSubmit", "prompt", "go on")
		s.sends(opus)
		s.write(retry(fmt.Sprintf(naming, limit), in, attempt, "null"))
		s.reads()
	}
	reject(one, "60 requests", 700*time.Millisecond, 1)
	m.keep("requests")
	one.hook("Stop")
	reject(one, "50 requests", 900*time.Millisecond, 1)
	reject(two, "8,000 output tokens", 2*time.Second, 1)
	reject(three, "40,000 tokens", 2*time.Second, 1)
	large.hook("UserPromptSubmit", "prompt", "go on")
	large.sends(opus)
	large.write(retry(fmt.Sprintf(naming, "30,000 input tokens"), 15*time.Second, 4, "null"))
	one.asks("UserPromptSubmit", "prompt", "go on")
	m.until("a call may never fit", func(p pool) bool { return has(p.Retries, "large", true) > 0 })
	m.keep("")
}

// coolTold: a cool-down that everybody knows the end of, and who waits for it.
func coolTold(m *machine) {
	stopped, waits := m.session("stopped", launched, viaCLI), m.session("waits", launched, viaCLI)
	stopped.called(opus, 1000, 50)
	waits.called(haiku, 800, 40)
	stopped.hook("UserPromptSubmit", "prompt", "go on")
	stopped.sends(opus)
	stopped.write(died("You've hit your 5-hour limit · resets soon", time.Now().Add(5*time.Minute)))
	stopped.hook("StopFailure", "error", "rate_limit")
	waits.asks("UserPromptSubmit", "prompt", "go on")
	m.keep("")
}

// coolBlind: a cool-down whose end nobody knows, while one asks the API for it, and after it did not say.
func coolBlind(m *machine) {
	m.api.SetAnswer(func(fakeapi.Request) fakeapi.Answer {
		time.Sleep(3 * time.Second)
		return fakeapi.RateLimited(0)
	})
	s, waits := m.session("stopped", viaCLI), m.session("waits", viaCLI)
	s.hook("UserPromptSubmit", "prompt", "go on")
	s.sends(opus)
	s.write(died(diedOfLimit, time.Time{}))
	s.hook("StopFailure", "error", "rate_limit")
	waits.asks("UserPromptSubmit", "prompt", "go on")
	m.keep("")
	s.wakes()
	m.until("one asks", func(p pool) bool { return p.Cool["asker"] != nil })
	m.keep("asking")
	m.until("it was answered", func(p pool) bool { return p.Cool["asked"] == true && p.Cool["asker"] == nil })
	m.keep("asked")
}

// usageLimit: a usage limit that holds nobody back, of a session that waits in its turn and of one that sleeps.
func usageLimit(m *machine) {
	resets := time.Now().Add(3 * time.Hour)
	watchdog, asleep := m.session("watchdog", viaSDK), m.session("asleep", viaCLI)
	watchdog.hook("UserPromptSubmit", "prompt", "go on")
	watchdog.sends(opus)
	watchdog.write(retry(unnamed, time.Until(resets), 1, fmt.Sprintf(`{"rateLimitType":"five_hour","resetsAt":%d}`, resets.Unix())))
	asleep.hook("UserPromptSubmit", "prompt", "go on")
	asleep.sends(opus)
	asleep.write(died("You've hit your 5-hour limit · resets 10:25pm (UTC)", resets))
	asleep.hook("StopFailure", "error", "rate_limit")
	asleep.wakes()
	time.Sleep(time.Second)
	m.until("both are known to wait", func(p pool) bool { return len(p.Retries) > 0 && p.Usage["why"] == "usage limit" })
	m.keep("")
}

// woken: of three sessions that a limit stopped one was woken and has taken its turn over, one was woken and has not, and one
// waits to be woken.
func woken(m *machine) {
	m.api.SetAnswer(func(fakeapi.Request) fakeapi.Answer {
		return fakeapi.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"4"}}}
	})
	var sleepers []*process
	var sessions []*session
	for _, name := range []string{"one", "two", "three"} {
		s := m.session(name, viaCLI)
		s.called(opus, 1000, 50)
		s.hook("UserPromptSubmit", "prompt", "go on")
		sessions = append(sessions, s)
	}
	for _, s := range sessions {
		s.sends(opus)
		s.write(died(diedOfLimit, time.Time{}))
		s.hook("StopFailure", "error", "rate_limit")
	}
	for _, s := range sessions {
		sleepers = append(sleepers, s.wakes())
		time.Sleep(200 * time.Millisecond)
	}
	var order []int // in which they are woken
	awake := make(chan int)
	for i, p := range sleepers {
		go func() { <-p.ended; awake <- i }()
	}
	for len(order) < 2 {
		i := <-awake
		sleepers[i].woken()
		if order = append(order, i); len(order) == 1 {
			sessions[i].hook("UserPromptSubmit", "prompt", "go on")
		}
	}
	m.until("the third waits to be woken", func(p pool) bool { return has(p.Queue, "event", "wake") > 0 })
	m.keep("")
}
