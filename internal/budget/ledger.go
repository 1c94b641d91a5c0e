package budget

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"afteryou/internal/claude"
	"afteryou/internal/notify"
	"afteryou/internal/price"
)

const (
	// recent is how many answers of a transcript may be told in further rows: those of one answer follow one another, but for those
	// of subagents in old versions.
	recent = 8
	// kept is how long sums of days gone by are kept.
	kept = 48 * time.Hour
	// maxName is the length to which Claude Code cuts the names of its projects' directories (2.1.332).
	maxName = 200
)

// Watch tells how budgets stand. It reads the transcripts of their directories, each from where whoever looked last had read it to:
// the sums stand in one file for each budget and day. Such a file holds what it was made of, so that no lock is needed: of two who
// write it at once the later one's is as true as the other's.
type Watch struct {
	Dir     string // where the sums stand; it is made when it is needed
	Config  string // Claude Code's directory
	Home    string
	Budgets []Budget
	Prices  price.List
}

// Standing is how one budget stands.
type Standing struct {
	Budget
	Spent Amount // today, in both units
	// Unpriced counts the requests of which nobody says what they cost.
	Unpriced int
}

// Over reports whether the budget is used up.
func (s Standing) Over() bool { return s.Day.reached(s.Spent) }

// String says what was spent of it, in a few words.
func (s Standing) String() string {
	spent := Amount{Tokens: s.Spent.Tokens}
	if s.Day.USD > 0 {
		spent = Amount{USD: s.Spent.USD}
	}
	return fmt.Sprintf("%v of today's %v", spent, s.Day)
}

// UsedUp says for a person that it is over.
func (s Standing) UsedUp() string { return fmt.Sprintf("the budget of %s is used up: %v", s.Dir, s) }

// Note tells of that.
func (s Standing) Note(now time.Time, session string, unattended bool) notify.Note {
	return notify.Note{Event: notify.OverBudget, Text: s.UsedUp(), At: now, Session: session, Dir: s.Dir, Unattended: unattended}
}

// Of returns how the budgets stand that hold for a directory, on the day of now. It reads no more than about most bytes of
// transcripts; what is left is read the next time. What can't be read or written counts as it was known before.
func (w Watch) Of(now time.Time, dir string, most int64) (list []Standing) {
	for _, b := range w.Budgets {
		if w.Holds(b, dir) {
			list = append(list, w.stands(now, b, most))
		}
	}
	return list
}

// All returns how all budgets stand. It reads all that there is to read.
func (w Watch) All(now time.Time) (list []Standing) {
	for _, b := range w.Budgets {
		list = append(list, w.stands(now, b, math.MaxInt64))
	}
	return list
}

// Holds reports whether a budget is for what is done in a directory.
func (w Watch) Holds(b Budget, dir string) bool { return w.place(b.Dir).has(dir) }

func (w Watch) stands(now time.Time, b Budget, most int64) Standing {
	p := w.place(b.Dir)
	l, path := w.load(now, p)
	if w.read(&l, p, dayOf(now), most) {
		w.save(path, l)
	}
	return Standing{b, l.Spent, l.Unpriced}
}

// Over returns the first budget that is used up of those that hold for a directory.
func (w Watch) Over(now time.Time, dir string, most int64) (s Standing, over bool) {
	list := w.Of(now, dir, most)
	i := slices.IndexFunc(list, Standing.Over)
	if i < 0 {
		return s, false
	}
	return list[i], true
}

// First reports whether nobody said that before on the day of now, and notes that it is said. Where that can't be noted it is not to
// be said.
func (w Watch) First(now time.Time, what ...string) bool {
	if os.MkdirAll(w.Dir, 0o700) != nil {
		return false
	}
	f, err := os.OpenFile(w.path(now, "said", what...), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// path is that of a file which belongs to a day. The day is named by when it begins: where clocks differ by hours, machines that
// share the directory have days of their own.
func (w Watch) path(now time.Time, kind string, of ...string) string {
	h := fnv.New64a()
	for _, part := range of {
		h.Write([]byte(part + "\x00"))
	}
	return filepath.Join(w.Dir, fmt.Sprintf("%d-%s-%016x", dayOf(now).Unix(), kind, h.Sum64()))
}

// dayOf is when the day of a time began, by the calendar of its location.
func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// place is a directory as it is written, and as it is once links are followed.
type place [2]string

func (w Watch) place(dir string) (p place) {
	if rest, home := strings.CutPrefix(dir+"/", "~/"); home {
		dir = filepath.Join(w.Home, rest)
	}
	p[0] = filepath.Clean(dir)
	p[1] = p[0]
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		p[1] = real
	}
	return p
}

// has reports whether a directory is the place, or below it.
func (p place) has(dir string) bool {
	below := func(dir string) bool {
		return slices.ContainsFunc(p[:], func(top string) bool { return strings.HasPrefix(dir+"/", strings.TrimSuffix(top, "/")+"/") })
	}
	if dir = filepath.Clean(dir); below(dir) {
		return true
	}
	real, err := filepath.EvalSymlinks(dir)
	return err == nil && below(real)
}

// named reports whether a directory of transcripts may be that of a session in the place: in its name a dash stands for all but letters
// and digits, one for each unit of UTF-16 (2.1.332).
func (p place) named(project string) bool {
	return slices.ContainsFunc(p[:], func(dir string) bool {
		var name strings.Builder
		for _, unit := range utf16.Encode([]rune(strings.TrimSuffix(dir, "/"))) {
			if r := rune(unit); r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
				name.WriteRune(r)
			} else {
				name.WriteByte('-')
			}
		}
		return strings.HasPrefix(project, name.String()[:min(name.Len(), maxName)])
	})
}

// ledger is what was spent on one day, and of which transcripts that is known.
type ledger struct {
	Prices   string           `json:"prices"` // at which it was worked out
	Spent    Amount           `json:"spent"`
	Unpriced int              `json:"unpriced"`
	Files    map[string]*file `json:"files"`
}

// file is what was read of a transcript.
type file struct {
	Offset int64    `json:"offset"`
	Dir    string   `json:"dir,omitempty"` // in which its session began
	Last   []answer `json:"last,omitempty"`
}

// answer is one whose rows may go on.
type answer struct {
	ID    string       `json:"id"`
	Usage claude.Usage `json:"usage"`
}

func (w Watch) load(now time.Time, p place) (l ledger, path string) {
	path = w.path(now, "spent", p[1], w.Config)
	data, err := os.ReadFile(path)
	prices := fmt.Sprint(price.Read, w.Prices)
	if err != nil || json.Unmarshal(data, &l) != nil || l.Prices != prices {
		l = ledger{Prices: prices}
	}
	if l.Files == nil {
		l.Files = make(map[string]*file)
	}
	return l, path
}

// save writes the ledger anew, and with the first of a day removes those of days long gone.
func (w Watch) save(path string, l ledger) {
	data, err := json.Marshal(l)
	if err != nil || os.MkdirAll(w.Dir, 0o700) != nil {
		return // it is worked out again
	}
	if _, err := os.Stat(path); err != nil {
		entries, _ := os.ReadDir(w.Dir)
		for _, e := range entries {
			if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > kept {
				os.Remove(filepath.Join(w.Dir, e.Name()))
			}
		}
	}
	tmp := fmt.Sprintf("%s.%d.%d", path, os.Getpid(), time.Now().UnixNano())
	if os.WriteFile(tmp, data, 0o600) != nil || os.Rename(tmp, path) != nil {
		os.Remove(tmp)
	}
}
