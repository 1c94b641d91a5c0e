package budget

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/price"
)

// read adds to the ledger what is new in the transcripts of a place that were written to on the day, and reports whether there was
// anything.
func (w Watch) read(l *ledger, p place, day time.Time, most int64) (changed bool) {
	projects := filepath.Join(w.Config, "projects")
	entries, _ := os.ReadDir(projects) // none: nobody spent anything yet
	for _, e := range entries {
		if !p.named(e.Name()) {
			continue
		}
		root := filepath.Join(projects, e.Name())
		if real, err := filepath.EvalSymlinks(root); err == nil {
			root = real
		}
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".jsonl") || most <= 0 {
				return nil // what can't be read is passed over
			}
			fi, err := os.Stat(path)
			if err != nil || fi.ModTime().Before(day) {
				return nil
			}
			f := l.Files[path]
			if f == nil {
				f = &file{}
			}
			if f.Offset == fi.Size() {
				return nil
			}
			before := f.Offset
			w.readFile(l, f, p, path, day, most)
			if f.Offset != before {
				l.Files[path] = f
				most -= f.Offset - before
				changed = true
			}
			return nil
		})
	}
	return changed
}

// readFile adds what is new in one transcript. Its session spends where it began: a command may go elsewhere.
func (w Watch) readFile(l *ledger, f *file, p place, path string, day time.Time, most int64) {
	session := strings.TrimSuffix(filepath.Base(path), ".jsonl")
	f.Offset, _ = claude.ReadRows(path, f.Offset, most, func(r claude.Row) {
		if f.Dir == "" {
			f.Dir = r.Dir
		}
		own := r.Sidechain || r.Session == session // else it was copied, and another transcript has it
		if r.Kind == claude.Answer && r.MessageID != "" && own && !r.At.Before(day) && f.Dir != "" && p.has(f.Dir) {
			w.add(l, f, r)
		}
	})
}

// add counts an answer, or what a further row of it tells.
func (w Watch) add(l *ledger, f *file, r claude.Row) {
	for i := range f.Last {
		a := &f.Last[i]
		if a.ID != r.MessageID {
			continue
		}
		was := a.Usage
		a.Usage = was.Merge(r.Usage)
		l.spend(w.Costs(r.Model, a.Usage), 1)
		l.spend(w.Costs(r.Model, was), -1)
		return
	}
	f.Last = append(f.Last, answer{r.MessageID, r.Usage})
	f.Last = f.Last[max(0, len(f.Last)-recent):]
	l.spend(w.Costs(r.Model, r.Usage), 1)
	if _, priced := w.Prices.Of(r.Model); !priced {
		l.Unpriced++
	}
}

func (l *ledger) spend(a Amount, by int) {
	l.Spent.USD += price.USD(by) * a.USD
	l.Spent.Tokens += by * a.Tokens
}

// Costs is what a request to a model counts in a budget that took u.
func (w Watch) Costs(model string, u claude.Usage) Amount {
	p, _ := w.Prices.Of(model)
	return Amount{p.Cost(u), u.Input + u.CacheWrite + u.Output}
}
