package turn

import (
	"fmt"
	"slices"
)

// normal fills in what a scenario does not say.
func normal(sc scenario) scenario {
	if sc.sessions == 0 {
		sc.sessions = 12
	}
	if sc.calls == 0 {
		sc.calls = 10
	}
	if sc.latency == 0 {
		sc.latency = 5
	}
	if sc.tool == 0 {
		sc.tool = 2
	}
	if sc.late == 0 {
		sc.late = .02
	}
	if sc.lag == 0 {
		sc.lag = .08
	}
	if sc.every == 0 {
		sc.every = 97
	}
	if sc.first == 0 {
		sc.first = .3
	}
	way := .1
	if sc.gateway {
		sc.lag, way = .005, .02 // when a call was sent whole is known
	}
	if sc.way == 0 {
		sc.way = way
	}
	how := "hook"
	switch {
	case sc.native:
		how = "native"
	case sc.gateway:
		how = "gateway"
	}
	sc.name = fmt.Sprintf("%s: %s, %d sessions x %d calls of %g s, %g a minute, burst %g", sc.class, how, sc.sessions, sc.calls, sc.latency, sc.rpm, sc.burst)
	if sc.empty {
		sc.name += ", empty"
	}
	return sc
}

// grid is every mixture of limits and of sessions that call.
func grid() (list []scenario) {
	for _, rpm := range []float64{5, 30, 50, 60, 300, 1000} {
		for _, burst := range []float64{1, 5, 50, -1} {
			if burst == 50 && rpm == 50 {
				continue
			}
			if burst < 0 {
				burst = rpm
			}
			for _, n := range []int{2, 6, 12, 20, 50} {
				for _, latency := range []float64{.3, 5, 20} {
					for _, empty := range []bool{false, true} {
						sc := scenario{rpm: rpm, burst: burst, sessions: n, latency: latency, tool: 2, calls: 10, empty: empty}
						switch {
						case burst >= 5 && n <= 20 && latency >= 5:
							sc.class = "burst 5 and more"
						case burst >= 5:
							sc.class = "burst 5, many or fast"
						case rpm <= 60:
							sc.class = "burst 1"
						default:
							sc.class = "burst 1, 300 and more"
						}
						if latency < 1 {
							sc.tool = .3
						}
						if n <= 6 {
							sc.calls = 20
						}
						list = append(list, sc)
					}
				}
			}
		}
	}
	return list
}

// scenarios are all that the policy is judged by.
func scenarios() (list []scenario) {
	for i, sc := range grid() {
		// 360-odd scenarios; of the small run every class gets some, of all sizes.
		if *wide || i%11 == 3 && sc.sessions <= 20 {
			list = append(list, sc)
		}
	}
	list = append(slices.Concat(list, loads(), limits()), tellings()...)
	for _, sc := range slices.Clone(list) {
		if sc.class == "limit to a third and back" || sc.class == "unseen consumer" {
			sc.class += ", named"
			sc.names = true
			list = append(list, sc)
		}
	}
	for _, c := range [][2]float64{{60, 5}, {50, 50}, {300, 50}} {
		list = append(list, scenario{class: "outage of a minute", calls: 12, rpm: c[0], burst: c[1], outage: [2]float64{30, 90}})
	}
	for _, f := range []float64{1, 2, .5} {
		for _, c := range [][2]float64{{30, 1}, {60, 5}, {50, 50}, {300, 5}} {
			list = append(list, scenario{class: fmt.Sprintf("remembered pace x%g", f), rpm: c[0], burst: c[1], warm: f})
		}
	}
	for _, sc := range slices.Clone(list) {
		switch {
		case sc.class == "calls without a gate", sc.class == "reports 10 s late", sc.class == "no api-request rows", sc.mute, sc.names, sc.slow > 0:
			continue
		}
		sc.gateway, sc.headers = true, 1
		list = append(list, sc)
	}
	list = slices.Concat(list, headers(), modules(), agains(), sized())
	for i := range list {
		list[i] = normal(list[i])
	}
	return list
}

// loads are sessions of different habits, on limits that stay.
func loads() (list []scenario) {
	for _, c := range []struct {
		n, k       int
		rpm, burst float64
	}{{12, 4, 30, 1}, {6, 6, 60, 2}} {
		list = append(list, scenario{class: "short calls", sessions: c.n, calls: c.k, rpm: c.rpm, burst: c.burst, latency: .3, tool: .3})
	}
	for _, c := range []struct {
		n             int
		latency, tool float64
	}{{4, 10, 5}, {4, 5, 2}, {4, 2, 1}, {12, 5, 2}} {
		list = append(list, scenario{class: "generous", sessions: c.n, calls: 20, rpm: 1000, burst: 1000, latency: c.latency, tool: c.tool})
	}
	return list
}

// limits are those that change, are shared with others, or are of tokens.
func limits() (list []scenario) {
	for _, c := range []struct{ rpm, burst, latency, tool float64 }{{60, 5, 5, 2}, {60, 60, 5, 2}, {30, 1, 5, 2}, {300, 50, .5, .3}} {
		list = append(list, scenario{class: "limit to a third and back", calls: int(7.5 * c.rpm / 12), rpm: c.rpm, burst: c.burst, latency: c.latency, tool: c.tool, cuts: []cut{{120, 1. / 3}, {240, 1}}})
	}
	for _, c := range [][2]float64{{60, 5}, {60, 60}, {50, 50}, {300, 50}} {
		list = append(list, scenario{class: "unseen consumer", sessions: 20, calls: 15, rpm: c[0], burst: c[1], unseen: .3})
	}
	for _, tpm := range []float64{50000, 100000, 400000} {
		list = append(list, scenario{class: "token bucket", calls: 12, rpm: 1000, burst: 1000, tpm: tpm})
		list = append(list, scenario{class: "token bucket", calls: 12, rpm: 1000, burst: 1000, tpm: tpm, tburst: tpm / 4, empty: true})
	}
	list = append(list, scenario{class: "tokens, unlike sessions", calls: 12, rpm: 1000, burst: 1000, tpm: 100000, unlike: true})
	return append(list, scenario{class: "tokens, unlike sessions", calls: 12, rpm: 1000, burst: 1000, tpm: 100000, tburst: 25000, unlike: true})
}

// tellings differ in what is told of calls, and when.
func tellings() (list []scenario) {
	for _, c := range [][2]float64{{60, 5}, {50, 50}, {300, 50}} {
		list = append(list, scenario{class: "subagents", calls: 12, rpm: c[0], burst: c[1], agents: .4})
		list = append(list, scenario{class: "calls without a gate", calls: 12, rpm: c[0], burst: c[1], ungated: .3})
		list = append(list, scenario{class: "reports 10 s late", calls: 12, rpm: c[0], burst: c[1], drowsy: .2})
		list = append(list, scenario{class: "no api-request rows", calls: 12, rpm: c[0], burst: c[1], norows: true})
	}
	for _, c := range [][2]float64{{60, 2}, {60, 5}, {50, 50}, {300, 50}} {
		list = append(list, scenario{class: "late news of rejections", calls: 12, rpm: c[0], burst: c[1], mute: true})
		list = append(list, scenario{class: "limits that are named", calls: 30, rpm: c[0], burst: c[1], names: true})
	}
	for _, c := range [][2]float64{{30, 1}, {60, 2}, {60, 5}, {300, 50}} {
		for _, names := range []bool{false, true} {
			list = append(list, scenario{class: "slow starts", calls: 6, rpm: c[0], burst: c[1], latency: .3, tool: .3, slow: 2.5, names: names})
		}
	}
	return append(list, scenario{class: "limits that are named", calls: 20, rpm: 1000, burst: 1000, tpm: 100000, unlike: true, names: true})
}

// headers are servers whose headers come late, or say what is not so.
func headers() (list []scenario) {
	for _, c := range [][2]float64{{30, 1}, {60, 2}, {45, 3}, {300, 50}} {
		sc := scenario{rpm: c[0], burst: c[1], sessions: 6, latency: 1.5, tool: .3, gateway: true, headers: 1, first: 1}
		sc.class = "late headers"
		list = append(list, sc)
		sc.class, sc.atEnd = "late headers, counted late", true
		list = append(list, sc)
		sc.class, sc.way = "late headers, far away", .1
		list = append(list, sc)
		sc.class, sc.way, sc.lie, sc.atEnd = "headers that lie", 0, true, false
		list = append(list, sc)
		sc.class, sc.lie, sc.headers = "headers of twice the limit", false, 2
		list = append(list, sc)
	}
	return list
}
