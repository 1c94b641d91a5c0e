// Package budget holds what a directory may spend on one day against what its sessions spent, as their transcripts tell.
//
// It decides nothing about sessions: who asks it stops or tells.
package budget

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"afteryou/internal/price"
)

// Budget is the most that the sessions of a directory, and of all below it, may spend on one day of the calendar.
type Budget struct {
	Dir string // absolute, or from "~" on
	Day Amount
}

// Amount is of dollars or of tokens: those of input and output, without what comes from the cache.
type Amount struct {
	USD    price.USD
	Tokens int
}

// units are what a number of tokens may end with.
var units = map[byte]float64{'k': 1e3, 'M': 1e6, 'G': 1e9}

// Parse reads an amount: "$20", "$0.50", "2M tokens", "500k tokens", "150000 tokens". It must be more than nothing.
func Parse(text string) (a Amount, ok bool) {
	if usd, dollars := strings.CutPrefix(text, "$"); dollars {
		n, ok := number(usd)
		return Amount{USD: price.USD(n)}, ok
	}
	count, tokens := strings.CutSuffix(text, " tokens")
	if !tokens || count == "" {
		return Amount{}, false
	}
	unit := units[count[len(count)-1]]
	if unit == 0 {
		unit = 1
	} else {
		count = count[:len(count)-1]
	}
	n, ok := number(count)
	n = math.Round(n * unit)
	return Amount{Tokens: int(n)}, ok && n >= 1
}

// number reads a positive number without sign or exponent, far beyond what anybody pays at most.
func number(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && n > 0 && n <= 1e12 && strings.Trim(text, "0123456789.") == ""
}

// String is the amount as [Parse] reads it.
func (a Amount) String() string {
	if a.USD > 0 {
		return a.USD.String()
	}
	for _, unit := range []byte("GMk") {
		if n := float64(a.Tokens) / units[unit]; n >= 1 {
			return fmt.Sprintf("%s%c tokens", strconv.FormatFloat(math.Round(100*n)/100, 'f', -1, 64), unit)
		}
	}
	return fmt.Sprintf("%d tokens", a.Tokens)
}

// reached reports whether as much as that, or more, was spent.
func (a Amount) reached(spent Amount) bool {
	return a.USD > 0 && spent.USD >= a.USD || a.Tokens > 0 && spent.Tokens >= a.Tokens
}
