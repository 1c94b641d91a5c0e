package limit

import (
	"slices"
	"strings"
)

// Group is models that share limits, as an organization's Rate Limits API tells. A limit of 0 is not told.
type Group struct {
	Models   []string `json:"models"`
	Requests float64  `json:"requests_per_minute,omitempty"`
	Input    float64  `json:"input_tokens_per_minute,omitempty"`
	Output   float64  `json:"output_tokens_per_minute,omitempty"`
}

// Groups are those of an organization. None are as good as any: what they do not tell is known without them.
type Groups []Group

// Of returns the class of a model, and the group that is one with it, of which a zero one is not known. Models of one group are one
// class, those of two never are.
func (all Groups) Of(model string) (class string, group Group) {
	class = Class(model)
	model = strings.TrimSuffix(strings.ToLower(model), "[1m]")
	at := slices.IndexFunc(all, func(g Group) bool { return slices.Contains(g.Models, model) })
	if at < 0 { // an id that is newer than the list, of a version that is in it
		for i, g := range all {
			if !slices.ContainsFunc(g.Models, func(m string) bool { return Class(m) == class }) {
				continue
			}
			if at >= 0 {
				return class, Group{}
			}
			at = i
		}
	}
	if at < 0 {
		return class, Group{}
	}
	return all.name(at), all[at]
}

// name is the class of a group: that of its first model, unless another group's is the same.
func (all Groups) name(at int) string {
	first := slices.Min(all[at].Models)
	name := Class(first)
	for i, other := range all {
		if i != at && len(other.Models) > 0 && Class(slices.Min(other.Models)) == name {
			return slug(first)
		}
	}
	return name
}

// AtMost bounds the pace by a limit of so many calls per second, where neither headers nor a message tell of one.
func (p *Pace) AtMost(limit float64) {
	if p.Limit == 0 && limit > 0 {
		p.Rate = min(p.Rate, max(slowest, limit))
	}
}
