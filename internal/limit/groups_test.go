package limit

import "testing"

func TestGroups(t *testing.T) {
	t.Parallel()
	all := Groups{
		{Models: []string{"claude-opus-4-8", "claude-opus-4-5", "claude-opus-4-5-20251101"}, Requests: 4000},
		{Models: []string{"claude-opus-5", "claude-opus-5-5"}, Requests: 1000},
		{Models: []string{"claude-sonnet-4-5"}, Requests: 50},
		{Models: []string{"claude-sonnet-4-6"}, Requests: 60},
	}
	for model, want := range map[string]struct {
		class    string
		requests float64
	}{
		"claude-opus-4-5-20251101":  {"opus-4.5-4.8", 4000},
		"claude-opus-4-8[1m]":       {"opus-4.5-4.8", 4000},
		"claude-opus-4-7":           {"opus-4.5-4.8", 4000}, // not listed, of a class that is
		"claude-opus-5":             {"opus-5", 1000},
		"Claude-Opus-5-5":           {"opus-5", 1000}, // one bucket, against what is known without the list
		"claude-sonnet-4-5":         {"claude-sonnet-4-5", 50},
		"claude-sonnet-4-6":         {"claude-sonnet-4-6", 60}, // two buckets, against it
		"claude-sonnet-4-7":         {"sonnet-4", 0},           // nobody can say of which
		"claude-haiku-5-5":          {"haiku-5.5", 0},
		"":                          {"any", 0},
		"some-other-model":          {"some-other-model", 0},
		"claude-sonnet-4-5-2026010": {"sonnet-4", 0},
	} {
		if class, g := all.Of(model); class != want.class || g.Requests != want.requests {
			t.Errorf("%q is of %q, of %v requests; want %v", model, class, g.Requests, want)
		}
		if class, _ := Groups(nil).Of(model); class != Class(model) {
			t.Errorf("without a list %q is of %q", model, class)
		}
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rate, told, most, want float64 }{{3, 0, 2, 2}, {1, 0, 2, 1}, {0, 0, 2, 0}, {3, 3, 2, 3}, {3, 0, 0, 3}} {
		p := Pace{Rate: test.rate, Limit: test.told}
		if p.AtMost(test.most); p.Rate != test.want {
			t.Errorf("%+v: %v", test, p.Rate)
		}
	}
}
