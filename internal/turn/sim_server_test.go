package turn

import (
	"math"

	"afteryou/internal/limit"
)

type bucket struct{ rate0, rate, cap0, cap, level, at float64 }

func newBucket(rate, size float64, empty bool) *bucket {
	b := &bucket{rate0: rate, rate: rate, cap0: size, cap: size, level: size}
	if empty {
		b.level = 0
	}
	return b
}

func (b *bucket) fill(now float64) {
	if now > b.at {
		b.level = min(b.cap, b.level+(now-b.at)*b.rate)
		b.at = now
	}
}

func (b *bucket) scale(now, f float64) {
	b.fill(now)
	b.rate = b.rate0 * f
	if b.cap0 > 1 {
		b.cap = max(1, b.cap0*f)
	}
	b.level = min(b.level, b.cap)
}

func (b *bucket) lack(cost float64) float64 {
	cost = min(cost, b.cap)
	if b.level >= cost-1e-9 {
		return 0
	}
	return (cost - b.level) / b.rate
}

// limit fills the server's buckets: of requests, of input and of output, as far as there are such limits.
func (s *sim) limit() {
	s.buckets = []*bucket{s.requests()}
	if s.tpm > 0 {
		if s.tburst == 0 {
			s.tburst = s.tpm
		}
		s.buckets = append(s.buckets, newBucket(s.tpm/60, s.tburst, s.empty))
	}
	if s.sizes != nil && s.sizes.opm > 0 {
		s.buckets = append(s.buckets, newBucket(s.sizes.opm/60, s.sizes.opm, false))
	}
}

// other is another machine: unseen, naive, Poisson.
func (s *sim) other() {
	s.on(s.now+s.net.ExpFloat64()/(s.unseen*s.rpm/60), func() {
		if s.take(cost(s.net)) == 0 {
			s.taken++
		}
		s.other()
	})
}

// take is the server: 0, or the seconds until the call would fit.
func (s *sim) take(cost float64) float64 {
	if s.outage[0] <= s.now && s.now < s.outage[1] {
		return 1
	}
	costs, lack := []float64{1, cost, 1}, 0.0
	for i, b := range s.buckets {
		b.fill(s.now)
		lack = max(lack, b.lack(costs[i]))
	}
	if lack > 0 {
		return lack
	}
	for i, b := range s.buckets[:min(2, len(s.buckets))] { // of the output it takes what it writes
		b.level -= min(costs[i], b.cap)
	}
	return 0
}

// limits are the headers of an answer now.
func (s *sim) limits() (l limit.Headers) {
	if s.lie {
		return limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}}
	}
	for i, of := range []*limit.Resource{&l.Requests, &l.Input, &l.Output} {
		if i < len(s.buckets) {
			*of = limit.Resource{Limit: s.buckets[i].rate * 60 * s.headers, Remaining: max(0, math.Floor(s.buckets[i].level+1e-9))}
		}
	}
	return l
}

// name is the limit that the message of a rejection names.
func (s *sim) name() limit.Headers {
	if s.outage[0] <= s.now && s.now < s.outage[1] {
		return limit.Headers{}
	}
	if s.buckets[0].lack(1) > 0 {
		return limit.Headers{Requests: limit.Resource{Limit: s.buckets[0].rate * 60}}
	}
	return limit.Headers{Input: limit.Resource{Limit: s.buckets[1].rate * 60}}
}
