package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/fakeapi"
)

// gateway: pools of two classes of models behind a gateway, with a budget, with what the server's headers say; a call that was
// rejected and waits, and the same under way again.
func gateway(m *machine) {
	m.runGateway(fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 60, Burst: 4}, Input: fakeapi.Limit{PerMinute: 40000}, Output: fakeapi.Limit{PerMinute: 8000}},
		Answer: func(fakeapi.Request) fakeapi.Answer {
			return fakeapi.Answer{Text: strings.Repeat("word ", 40), FirstToken: 3 * time.Second}
		},
	})
	m.until("calls are answered", func(p pool) bool { return len(p.Account.Calls) > 1 || has(p.Grants, "print", true) > 1 })
	for range 6 { // somebody else takes what the gateway takes for its own
		go call(m.api.URL(), "elsewhere", haiku)
	}
	m.until("a call was rejected", func(p pool) bool { return has(p.Queue, "rejected", 1.0) > 0 })
	m.keep("rejected")
	m.until("it is under way again", func(p pool) bool { return has(p.Grants, "rejected", 1.0, "taken") > 0 })
	m.keep("")
}

// contradicted: the headers say that there is room, and rejections say that there is none.
func contradicted(m *machine) {
	m.runGateway(fakeapi.Config{Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 60, Burst: 2}}, Manner: fakeapi.Manner{Headers: fakeapi.Lies}})
	m.until("a call was rejected", func(p pool) bool { return has(p.Queue, "rejected", 1.0) > 0 })
	m.keep("")
}

// runGateway starts an API and sessions that call it through a gateway.
func (m *machine) runGateway(c fakeapi.Config) {
	var err error
	m.api.Close()
	m.api, err = fakeapi.Start(c)
	check(err)
	self, err := os.Executable()
	check(err)
	claude := filepath.Join(m.dir, "claude")
	check(os.WriteFile(claude, []byte("#!/bin/sh\n"+claudeEnv+"="+m.program+" exec "+self+" \"$@\"\n"), 0o755))
	run := exec.Command(m.program, "run", "--", "-p", "go on")
	run.Env = m.env("AFTERYOU_CLAUDE="+claude, "AFTERYOU_GATEWAY=on", "AFTERYOU_RPM=500", "AFTERYOU_ITPM=100000", "AFTERYOU_OTPM=50000")
	run.Stderr = os.Stderr
	m.start(run)
}

// claudeEnv makes this program that Claude Code; it names the afteryou whose hooks it runs.
const claudeEnv = "OLDSTATE_CLAUDE"

// claudeMain is the Claude Code of the gateway: sessions that call without end.
func claudeMain() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println("2.1.330 (Claude Code)")
		return
	}
	for i := range 4 {
		session := fmt.Sprintf("s%d-0000-4000-8000-000000000000", i)
		hook := exec.Command(os.Getenv(claudeEnv), "hook")
		hook.Stdin = strings.NewReader(`{"hook_event_name":"SessionStart","session_id":"` + session + `","cwd":"` + home + `","source":"startup"}`)
		hook.Env = append(os.Environ(), "CLAUDE_PID="+strconv.Itoa(os.Getpid()))
		check(hook.Run())
		go func() {
			for {
				call(os.Getenv("ANTHROPIC_BASE_URL"), session, []string{opus, haiku}[i%2])
			}
		}()
	}
	time.Sleep(patience)
}

// call is one call to the model, read to its end.
func call(url, session, model string) {
	body := `{"model":"` + model + `","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}]}`
	r, err := http.NewRequest("POST", url+"/v1/messages", bytes.NewReader([]byte(body)))
	check(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("X-Claude-Code-Session-Id", session)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		time.Sleep(100 * time.Millisecond) // it ends
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// clocks: the directory is shared with a machine whose clock is a minute ahead. A program of before hosts had names writes none,
// and takes its own clock to be put back.
func clocks(m *machine) {
	far, here := m.session("far", viaSDK), m.session("here", viaSDK)
	far.called(opus, 1000, 50)
	far.hook("UserPromptSubmit", "prompt", "go on")
	data, err := os.ReadFile(m.state())
	check(err)
	text := regexp.MustCompile(`"host":"[^"]*"`).ReplaceAllString(string(data), `"host":"00000001/00000001"`)
	text = regexp.MustCompile(`"20\d\d-[^"]*Z"`).ReplaceAllStringFunc(text, func(s string) string {
		at, err := time.Parse(time.RFC3339Nano, strings.Trim(s, `"`))
		check(err)
		return quoted(at.Add(time.Minute))
	})
	check(os.WriteFile(m.state(), []byte(text), 0o600))
	here.hook("UserPromptSubmit", "prompt", "go on")
	m.keep("")
}
