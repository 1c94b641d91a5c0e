package budget

import "testing"

func TestAmounts(t *testing.T) {
	for text, want := range map[string]Amount{
		"$20": {USD: 20}, "$0.50": {USD: 0.5}, "2M tokens": {Tokens: 2_000_000}, "1.5M tokens": {Tokens: 1_500_000}, "500k tokens": {Tokens: 500_000},
		"3G tokens": {Tokens: 3_000_000_000}, "7 tokens": {Tokens: 7},
		"20": {}, "20 $": {}, "$": {}, "$-1": {}, "$0": {}, "$1e3": {}, "$inf": {}, "$0x10": {}, "2M": {}, "2m tokens": {}, " tokens": {}, "M tokens": {}, "0 tokens": {},
		"0.1 tokens": {}, "-2M tokens": {}, "2 M tokens": {}, "2M  tokens": {}, "": {}, "none": {},
	} {
		got, ok := Parse(text)
		if ok != (want != Amount{}) || ok && got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, ok, want)
		}
		if ok {
			if again, ok := Parse(got.String()); !ok || again != got {
				t.Errorf("%q is shown as %q, which is %+v, %v", text, got, again, ok)
			}
		}
	}
}
