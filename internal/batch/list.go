package batch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Info is what is known of a run without asking anybody.
type Info struct {
	ID       string    `json:"id"`
	Begun    time.Time `json:"begun"`
	Input    string    `json:"input"`
	Account  string    `json:"account"`
	Requests int       `json:"requests"`
	Batches  []string  `json:"batches"` // the API's ids
	Fetched  int       `json:"fetched"` // batches whose results are here
	Running  bool      `json:"running"` // a process has it
	Canceled bool      `json:"canceled"`

	Hash string   `json:"-"` // of all requests
	open []string // batches whose results are not here
}

// List returns the runs that are not finished, in the order of their beginning.
func List(root string) (list []Info, err error) {
	sweep(root, time.Now())
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !made(e.Name(), digits+small) {
			continue
		}
		i, err := info(root, e.Name())
		if err != nil {
			return list, err
		}
		at := len(list)
		for at > 0 && list[at-1].Begun.After(i.Begun) {
			at--
		}
		list = append(list[:at], append([]Info{i}, list[at:]...)...)
	}
	return list, err
}

func noRun(id string) error {
	return fmt.Errorf("there is no batch %q\nhint: afteryou batch list shows those there are", id)
}

func info(root, id string) (Info, error) {
	i := Info{ID: id, Batches: []string{}}
	dir := filepath.Join(root, id)
	if !made(id, digits+small) {
		return i, noRun(id)
	}
	f, err := os.Open(filepath.Join(dir, journalName))
	if errors.Is(err, os.ErrNotExist) {
		return i, noRun(id)
	}
	if err != nil {
		return i, err
	}
	defer f.Close()
	events, _, err := readEvents(f)
	if err != nil || len(events) == 0 || events[0].Begin == nil {
		return i, fmt.Errorf("reading the journal of batch %s: it does not begin (%v)", id, err)
	}
	b := events[0].Begin
	i.Begun, i.Input, i.Account, i.Requests, i.Hash = b.At, b.Input, b.Account, b.Requests, b.Hash
	for _, e := range events {
		if e.Taken != nil {
			i.Batches = append(i.Batches, e.Taken.Batch)
			if _, err := os.Lstat(filepath.Join(dir, fmt.Sprintf("results-%d.jsonl", e.Taken.Part))); err == nil {
				i.Fetched++
			} else {
				i.open = append(i.open, e.Taken.Batch)
			}
		}
	}
	i.Running = errors.Is(lock(f), errBusy)
	_, err = os.Lstat(filepath.Join(dir, cancelName))
	i.Canceled = err == nil
	return i, nil
}

// Cancel asks the API to cancel what of a run is under way, and returns how many batches that are. Nothing of it is submitted
// any more. What was answered by then Open and Do get as ever.
func Cancel(ctx context.Context, api *API, root, id string) (batches int, err error) {
	i, err := info(root, id)
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(filepath.Join(root, id, cancelName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), syncDir(filepath.Join(root, id)))
	}
	if err != nil {
		return 0, fmt.Errorf("canceling batch %s: %w", id, err)
	}
	for _, remote := range i.open {
		r, err := api.cancel(ctx, remote)
		if no := new(refusal); errors.As(err, &no) && (no.Status == http.StatusBadRequest || no.Status == http.StatusNotFound) {
			continue // it is over
		}
		if err != nil {
			return batches, fmt.Errorf("canceling batch %s: %w", remote, err)
		}
		if !r.ended() {
			batches++
		}
	}
	return batches, nil
}
