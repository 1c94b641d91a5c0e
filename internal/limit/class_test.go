package limit

import (
	"strings"
	"testing"
)

// The API gives these limits of their own: https://platform.claude.com/docs/en/api/rate-limits, read 2026-11-26. Ids are
// those of the API, of Bedrock and Vertex AI, and of gateways that name the provider first.
func TestClassesOfModels(t *testing.T) {
	for _, class := range []struct {
		want   string
		models []string
	}{
		{"opus-4.5-4.8", []string{"claude-opus-4-5-20251101", "claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-opus-4-6[1m]",
			"us.anthropic.claude-opus-4-6-v1:0", "global.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5@20251101", "Claude-Opus-4.6",
			"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1:0", "anthropic/claude-opus-4.5"}},
		{"opus-4.1", []string{"claude-opus-4-1-20250805", "claude-opus-4-1@20250805"}},
		{"opus-4", []string{"claude-opus-4-20250514", "claude-opus-4-0", "us.anthropic.claude-opus-4-20250514-v1:0"}},
		{"opus-5", []string{"claude-opus-5", "claude-opus-5-20260801", "claude-opus-5[1m]"}},
		{"opus-5.5", []string{"claude-opus-5-5", "us.anthropic.claude-opus-5-5-v1:0"}},
		{"sonnet-4", []string{"claude-sonnet-4-20250514", "claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-6"}},
		{"sonnet-5", []string{"claude-sonnet-5", "anthropic/claude-sonnet-5"}},
		{"sonnet-5.5", []string{"claude-sonnet-5-5"}},
		{"sonnet-3.5", []string{"claude-3-5-sonnet-20241022", "anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-v2@20241022"}},
		{"sonnet-3.7", []string{"claude-3-7-sonnet-latest"}},
		{"sonnet-3", []string{"anthropic.claude-3-sonnet-20240229-v1:0"}},
		{"haiku-3.5", []string{"claude-3-5-haiku-latest"}},
		{"haiku-4.5", []string{"claude-haiku-4-5-20251001", "claude-haiku-4-5"}},
		{"haiku-5.5", []string{"claude-haiku-5-5"}},
		{"fable-5", []string{"claude-fable-5"}},
		{"opus", []string{"opus", "Opus[1m]"}}, // of whichever version
		{"opusplan", []string{"opusplan"}},
		{"glm-4.6", []string{"GLM-4.6"}},
		{"any", []string{""}},
	} {
		for _, model := range class.models {
			if got := Class(model); got != class.want {
				t.Errorf("Class(%q) = %q, want %q", model, got, class.want)
			}
		}
	}
}

// A model that nothing is known of has limits of its own, however long its id is and whatever stands in it.
func TestUnknownModelsAreClassesOfTheirOwn(t *testing.T) {
	profile := "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/"
	models := []string{profile + "a1b2c3d4e5f6", profile + "a1b2c3d4e5f7", "my/model", "my/other", "my-model", "my", "opus/fast", "opus"}
	seen := make(map[string]string)
	for _, model := range models {
		class := Class(model)
		if other, ok := seen[class]; ok {
			t.Errorf("%q and %q are both of class %q", model, other, class)
		}
		seen[class] = model
	}
}

// Whatever a model is called, its class is a short plain name; where that tells a version, it does in every spelling.
func FuzzClass(f *testing.F) {
	for _, seed := range []string{"claude-opus-4-5-20251101", "us.anthropic.claude-opus-4-6-v1:0", "claude-3-5-sonnet-v2@20241022", "opus[1m]", "a/b", "",
		"sonnet-99-99", "4-opus", "\xff\x00", strings.Repeat("é", 99), "haiku-00-00", "9-9-9-fable"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, model string) {
		class := Class(model)
		if class == "" || len(class) > maxClass || strings.Trim(class, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Errorf("Class(%q) = %q", model, class)
		}
		if _, _, _, ok := Version(strings.ToLower(model)); !ok {
			return
		}
		for _, spelled := range []string{class, strings.ToUpper(class), "eu.anthropic." + model, model + "[1m]"} {
			if got := Class(spelled); got != class {
				t.Errorf("Class(%q) = %q, and of %q %q", model, class, spelled, got)
			}
		}
	})
}
