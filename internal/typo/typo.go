// Package typo tells which word a mistyped one was meant to be.
package typo

import (
	"fmt"
	"strings"
)

// Unknown is the error for a word that is none of the known ones. It suggests the nearest; where none is near, it ends with
// otherwise.
func Unknown(kind, word string, known []string, otherwise string) error {
	if like, ok := Nearest(word, known); ok {
		otherwise = fmt.Sprintf("\nhint: did you mean %q?", like)
	}
	return fmt.Errorf("unknown %s %q%s", kind, word, otherwise)
}

// Nearest returns the known word with the fewest letters other than in word, or false where that are too many. Case does
// not count, nor whether words are joined by dashes or underscores.
func Nearest(word string, known []string) (string, bool) {
	nearest, least := "", min(len(word)/2, max(2, len(word)/3))+1
	for _, k := range known {
		if d := distance(plain(word), plain(k)); d < least {
			nearest, least = k, d
		}
	}
	return nearest, nearest != ""
}

// plain is a word without what does not count: its case, its dashes at the front, and how its parts are joined.
func plain(word string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimLeft(word, "-"), "-", "_"))
}

// distance counts the letters that must be put in, left out or changed to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
