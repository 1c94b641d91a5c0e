package ratelimit

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rate is the state of one limit per minute, as an answer's headers say.
type Rate struct {
	Name             string // requests, input-tokens, output-tokens or tokens
	Limit, Remaining float64
	ResetsAt         time.Time // when all of it is there again; zero where nothing was said
}

// Window is the state of one window of a subscription, as an answer's headers say.
type Window struct {
	Name     string // as in the headers: 5h, 7d
	Status   string // allowed, allowed_warning or rejected
	Used     float64
	ResetsAt time.Time // zero where nothing was said
}

const headerPrefix = "Anthropic-Ratelimit-"

// maxRate bounds the limits per minute that are believed, far beyond what is sold.
const maxRate = 1e12

// Rates reads the limits per minute from an answer's headers; get is http.Header's Get. What is no number that can be a
// limit is none.
func Rates(get func(string) string) (rates []Rate) {
	for _, name := range []string{"Requests", "Input-Tokens", "Output-Tokens", "Tokens"} {
		limit, err := strconv.ParseFloat(get(headerPrefix+name+"-Limit"), 64)
		remaining, err2 := strconv.ParseFloat(get(headerPrefix+name+"-Remaining"), 64)
		if err != nil || err2 != nil || !(limit >= 1 && limit <= maxRate && remaining >= 0 && remaining <= maxRate) {
			continue
		}
		r := Rate{Name: strings.ToLower(name), Limit: limit, Remaining: remaining}
		r.ResetsAt, _ = time.Parse(time.RFC3339, get(headerPrefix+name+"-Reset")) // none is zero
		rates = append(rates, r)
	}
	return rates
}

// Windows reads the windows of a subscription from an answer's headers, whatever they are called, in the order of their
// names. header is an http.Header.
func Windows(header map[string][]string) (windows []Window) {
	get := func(key string) string {
		if v := header[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	for key := range header {
		name, ours := strings.CutPrefix(key, headerPrefix+"Unified-")
		name, ok := strings.CutSuffix(name, "-Utilization")
		if !ours || !ok {
			continue
		}
		if w, ok := WindowOf(get, name); ok {
			windows = append(windows, w)
		}
	}
	slices.SortFunc(windows, func(a, b Window) int { return strings.Compare(a.Name, b.Name) })
	return windows
}

// WindowOf reads the window of that name from an answer's headers; get is http.Header's Get.
func WindowOf(get func(string) string, name string) (w Window, ok bool) {
	prefix := headerPrefix + "Unified-" + name
	used, err := strconv.ParseFloat(get(prefix+"-Utilization"), 64)
	if err != nil || !(used >= 0 && used <= maxRate) {
		return w, false
	}
	w = Window{Name: strings.ToLower(name), Status: get(prefix + "-Status"), Used: used}
	if s, err := strconv.ParseFloat(get(prefix+"-Reset"), 64); err == nil {
		w.ResetsAt, _ = epoch(s)
	}
	return w, true
}

// Named is the limit per minute that the body of a 429 names, without what remains of it.
func Named(body []byte) (Rate, bool) {
	var e struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &e) != nil || len(e.Error.Message) > 4096 {
		return Rate{}, false
	}
	var l Limit
	l.readRate(e.Error.Message)
	return l.Rate, l.Rate.Limit > 0
}

// Spends reports whether the body of a 429 tells of a limit of money, which its headers do not.
func Spends(body []byte, now time.Time) bool {
	var e struct {
		Error struct {
			Message string
			Details struct {
				Code string `json:"error_code"`
			}
		}
	}
	if json.Unmarshal(body, &e) != nil {
		return false
	}
	l, ok := Text(e.Error.Message, now, time.Local)
	return ok && l.Kind == Spend || e.Error.Details.Code == spendCode
}
