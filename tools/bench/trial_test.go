package main

import (
	"strings"
	"testing"
	"time"

	"afteryou/internal/demo"
	"afteryou/internal/fakeapi"
)

func TestATrialRunsTheOtherAfteryouBesideThisOne(t *testing.T) {
	trial := trial{vs: "/other", ttft: -1}
	var names []string
	paths := make(map[string]string)
	for _, w := range trial.ways(append(ours(), peers("")...)) {
		names = append(names, w.name)
		paths[w.name] = w.start("/this", "/claude", demo.Scenario{}).Path
	}
	if got, want := strings.Join(names, ", "), "native, watchdog, module, module vs, steps, steps vs, hooks, hooks vs, gateway, gateway vs, flock, nginx"; got != want {
		t.Errorf("ways = %s, want %s", got, want)
	}
	for name, want := range map[string]string{"native": "/claude", "hooks": "/this", "hooks vs": "/other", "gateway": "/this", "gateway vs": "/other"} {
		if paths[name] != want {
			t.Errorf("%s starts %s, want %s", name, paths[name], want)
		}
	}
}

func TestATrialIsOnAnotherServer(t *testing.T) {
	work := demo.Scenario{Sessions: 1, Calls: 1, RPM: 60, Burst: 1, Server: fakeapi.Late()}
	if got := (trial{ttft: -1}).on(work); got != work {
		t.Errorf("no trial changes %+v to %+v", work, got)
	}
	if cloud := (demo.Scenario{Cloud: "bedrock"}); (trial{ttft: -1}).on(cloud) != cloud {
		t.Error("no trial takes the cloud away")
	}
	want := work
	want.Server = fakeapi.Manner{Jitter: .25, Speed: 50, Headers: fakeapi.Lies, Unnamed: true}
	want.Cloud = "vertex"
	if got := (trial{ttft: 0, speed: 50, words: "lying-headers,unnamed-limit", cloud: "vertex"}).on(work); got != want {
		t.Errorf("trial on %+v, want %+v", got, want)
	}
	for name, bad := range map[string]trial{
		"words": {words: "nonsense", ttft: -1}, "cloud": {cloud: "nine", ttft: -1}, "vs": {vs: "/not/there", ttft: -1}, "speed": {speed: -1, ttft: time.Second},
	} {
		if err := bad.check(); err == nil {
			t.Errorf("%s that cannot be are taken", name)
		}
	}
}
