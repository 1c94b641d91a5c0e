package limit

import "fmt"

// plenty is more tokens than calls take or a bucket has.
const plenty = 1e15

// Within reports whether x lies between two bounds; it is false of what is no number.
func Within(x, least, most float64) bool { return least <= x && x <= most }

// Valid reports whether a call can take that.
func (c Costs) Valid() bool {
	return Within(c.Input, 0, MostLimit) && Within(c.Output, 0, MostLimit) && Within(c.Whole, 0, MostLimit) && Within(c.Cached, 0, c.Whole)
}

// Check says what of the quota can't be true, beside its time; nil: nothing.
func (q *Quota) Check() error {
	if !Within(q.PerMinute, 0, plenty) || !Within(q.Least, 0, plenty) || !Within(q.Taken, -plenty, plenty) || q.Borne < 0 {
		return fmt.Errorf("quota %+v", *q)
	}
	return nil
}

// Check says what of the buckets can't be true, beside their times; nil: nothing.
func (t *Tokens) Check() error {
	for _, b := range t.Each() {
		if b.Rate != 0 && (!Within(60*b.Rate, 0.999, 1.001*MostLimit) || !Within(b.Level, b.deepest()-1, plenty)) || !Within(b.Top, 0, plenty) {
			return fmt.Errorf("bucket %+v", *b)
		}
	}
	return nil
}

// Check says what of the pace can't be true, beside its times; nil: nothing.
func (p *Pace) Check() error {
	const round = 1e-6
	switch {
	case p.Rate != 0 && !Within(p.Rate, slowest-round, 2*fastest), p.Limit != 0 && !Within(p.Limit, slowest-round, fastest), !Within(p.Peak, 0, plenty),
		!Within(p.Level, -1-round, 1+round), p.Window < 0, p.Window >= mostTrial, !Within(float64(p.Taken), 0, mostTaken), p.Grown < 0:
		return fmt.Errorf("pace %v, limit %v, peak %v, level %v, window %d, grown %d", p.Rate, p.Limit, p.Peak, p.Level, p.Window, p.Grown)
	case !Within(p.Top, 0, mostMirrored), !Within(p.Spare, 0, mostMirrored):
		return fmt.Errorf("a bucket of %v calls, %v to spare", p.Top, p.Spare)
	case p.Doubts < 0, !Within(float64(p.Distrust), 0, distrustMost):
		return fmt.Errorf("headers doubted %d times, for %d calls", p.Doubts, p.Distrust)
	case !Within(p.Proof.Least, 0, plenty), !Within(p.Proof.Most, 0, plenty), !Within(float64(p.Proof.For), 0, settledMax*fastest),
		!Within(float64(p.Proof.Sure), 0, settledMax*fastest), !Within(p.Proof.Kept, 0, fastest), len(p.Proof.Seen) > outcomes:
		return fmt.Errorf("proved are at least %v, at most %v and %v for %d of %d calls, by %d outcomes", p.Proof.Least, p.Proof.Most, p.Proof.Kept, p.Proof.Sure,
			p.Proof.For, len(p.Proof.Seen))
	case p.Memory.Was != 0 && !Within(p.Memory.Was, slowest-round, 2*fastest), !Within(p.Memory.Deep, 0, plenty), p.Memory.Bore.Calls < 0, p.Memory.Bore.In < 0:
		return fmt.Errorf("remembered is %+v", p.Memory)
	case p.Sent < 0, p.Base < 0, len(p.Empty) > moments:
		return fmt.Errorf("%d calls, %d a minute ago, %d moments remembered", p.Sent, p.Base, len(p.Empty))
	}
	return nil
}
