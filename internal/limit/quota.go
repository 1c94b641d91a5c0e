package limit

import (
	"math"
	"time"
)

const (
	// tight is how much of the way from what was borne to what was not a quota is taken for.
	tight = 0.5
	// odd is how much less than what was borne before a call that is rejected needs for it to be for another reason.
	odd = 0.9
	// less is by how much less than what was not borne, at least, what was borne counts from then on.
	less = 1.05
	// pressingQuota is after how many calls in a row that had to wait a quota is taken for more, by pressed with each.
	pressingQuota = 80
	pressed       = 1.02
)

// Quota is what is believed of a bucket of tokens of which a call takes, when it comes, all that it may take, until it is answered
// and gets back what it did not (Amazon Bedrock). Neither its size nor what is left is told by anyone, and it is taken to hold what it
// gives in a minute. The zero Quota holds nobody.
type Quota struct {
	PerMinute float64 `json:"rate,omitempty"`  // 0: not known
	Least     float64 `json:"least,omitempty"` // what calls that were accepted prove that it is at least
	// Taken is what was taken since it was full, less what was given back; Since when that was.
	Taken float64   `json:"taken,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Borne is how many calls in a row were accepted that had to wait for it.
	Borne int `json:"borne,omitempty"`
}

// minutes is how much came in since it was full, in minutes, with the minute that it held then.
func (q *Quota) minutes(now time.Time) float64 { return 1 + max(0, now.Sub(q.Since).Minutes()) }

// Take takes tokens, or gives them back.
func (q *Quota) Take(now time.Time, tokens float64) {
	if tokens == 0 {
		return
	}
	if rate := max(q.PerMinute, q.Least); q.Taken <= rate*(q.minutes(now)-1) { // it is full
		q.Taken, q.Since = 0, now
	}
	q.Taken = min(plenty, max(-plenty, q.Taken+tokens))
}

// Needs is how much the quota must give in a minute, at least, for a call that reserves so much to be accepted now.
func (q *Quota) Needs(now time.Time, tokens float64) float64 {
	return max(tokens, (tokens+q.Taken)/q.minutes(now))
}

// Afford returns when a call that reserves so much is accepted. One that reserves more than there ever is goes when it is full.
func (q *Quota) Afford(now time.Time, tokens float64) time.Time {
	lack := min(tokens, q.PerMinute) - (q.PerMinute*q.minutes(now) - q.Taken)
	if q.PerMinute == 0 || lack <= 1e-6 {
		return now
	}
	return now.Add(seconds(min(mostDebt, 60*lack/q.PerMinute)))
}

// Accepted says that a call that needed so much was accepted.
func (q *Quota) Accepted(needs float64, waited bool) {
	if q.Least = max(q.Least, needs); q.PerMinute == 0 {
		return
	}
	q.PerMinute = max(q.PerMinute, q.Least)
	if waited {
		q.Borne++
	}
	if q.Borne >= pressingQuota {
		q.PerMinute *= pressed
	}
}

// Rejected learns from the rejection of a call that needed so much. It reports false where that was for another reason: more was
// borne before.
func (q *Quota) Rejected(needs float64) bool {
	q.Borne = 0
	if needs < odd*q.Least {
		q.Least *= odd
		return false
	}
	q.Least = min(q.Least, needs/less)
	most := needs
	if q.PerMinute > 0 {
		most = min(most, q.PerMinute)
	}
	q.PerMinute = math.Round(q.Least + tight*(most-q.Least))
	return true
}
