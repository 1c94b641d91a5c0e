package turn

// share is how many interactive calls may go before one of -p that waits: three of four turns are theirs.
const share = 3

// order is the order in which tickets are looked at. Without [Rules.Interactive] it is that of the line. With it a call
// of -p lets interactive ones pass, and after each three of them it is the turn of one of -p; so nobody waits for ever,
// neither the one behind many of the other kind nor the other. A rejected call stays first of all.
func (p *Pool) order(r Rules) []int {
	var first, rest []int
	for i, t := range p.Queue {
		if !r.Interactive || t.Rejected > 0 || t.Print == (p.Ahead >= share) {
			first = append(first, i)
		} else {
			rest = append(rest, i)
		}
	}
	return append(first, rest...)
}

// passed notes that a ticket, which has left the line, was given the turn.
func (p *Pool) passed(t Ticket, r Rules) {
	waits := false
	for _, q := range p.Queue {
		waits = waits || q.Print
	}
	switch {
	case !r.Interactive || t.Print || !waits:
		p.Ahead = 0
	default:
		p.Ahead++
	}
}
