package limit

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// families are the names of models whose ids tell a version.
var families = [...]string{"opus", "sonnet", "haiku", "fable", "mythos"}

// shared are the versions of a family that share one limit; any other has limits of its own
// (https://platform.claude.com/docs/en/api/rate-limits, read 2026-11-26).
var shared = [...]struct {
	family          string
	major, from, to int // minor versions
	class           string
}{
	{"opus", 4, 5, 8, "opus-4.5-4.8"},
	{"sonnet", 4, 0, 99, "sonnet-4"},
}

// maxClass bounds the name of a class, in bytes: it stands in the state with each of its calls.
const maxClass = 48

// Class names what shares a limit at the API: the models of one family and version, some versions together. A model of
// which it knows neither is a class of its own. The name has no other signs than a to z, 0 to 9, "-" and ".".
func Class(model string) string {
	model = strings.ToLower(model)
	if family, major, minor, ok := Version(model); ok {
		for _, s := range shared {
			if s.family == family && s.major == major && s.from <= minor && minor <= s.to {
				return s.class
			}
		}
		if minor == 0 {
			return fmt.Sprintf("%s-%d", family, major)
		}
		return fmt.Sprintf("%s-%d.%d", family, major, minor)
	}
	model = strings.TrimSuffix(model, "[1m]")
	if model == "" {
		return "any"
	}
	return slug(model)
}

// slug is a model's own class.
func slug(model string) string {
	class := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, model)
	if class == model && len(class) <= maxClass {
		return class
	}
	h := fnv.New32a() // keeps models apart that differ in what was lost
	h.Write([]byte(model))
	return fmt.Sprintf("%.*s-%08x", maxClass-9, class, h.Sum32())
}

// Version takes family and version from a model's id: claude-opus-4-5-20251101, claude-3-5-haiku-latest,
// us.anthropic.claude-sonnet-4-6-v1:0, claude-opus-4@20250514. An alias (opus) has none.
func Version(model string) (family string, major, minor int, ok bool) {
	words := strings.FieldsFunc(strings.ToLower(model), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	i := slices.IndexFunc(words, func(w string) bool { return slices.Contains(families[:], w) })
	if i < 0 {
		return "", 0, 0, false
	}
	if major, minor, ok = numbers(words[i+1:]); !ok { // before Claude 4 the version stands in front
		j := i
		for j > 0 && i-j < 2 && len(words[j-1]) <= 2 && isNumber(words[j-1]) {
			j--
		}
		major, minor, ok = numbers(words[j:i])
	}
	return words[i], major, minor, ok
}

// numbers reads a major version, and a minor one if there is one, from the first words. A date is none.
func numbers(words []string) (major, minor int, ok bool) {
	for i, at := range []*int{&major, &minor} {
		if i >= len(words) || len(words[i]) > 2 || !isNumber(words[i]) {
			break
		}
		*at, _ = strconv.Atoi(words[i]) // two digits at most
		ok = true
	}
	return major, minor, ok
}

func isNumber(word string) bool {
	return strings.Trim(word, "0123456789") == ""
}
