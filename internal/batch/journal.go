package batch

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// journal is what a run did, an event a line. A line is on disk before what follows from it is done. A crash leaves at most
// the last line torn, which counts as not written.
type journal struct {
	file *os.File // locked
	step func(string)
}

// event is one line: one of its fields is set.
type event struct {
	Begin  *beginning `json:"begin,omitempty"`
	Intent *intent    `json:"intent,omitempty"`
	Taken  *taking    `json:"taken,omitempty"`
	Void   *int       `json:"void,omitempty"` // the part whose intent made no batch
}

type beginning struct {
	At       time.Time `json:"at"`
	Input    string    `json:"input"`
	Requests int       `json:"requests"`
	Hash     string    `json:"hash"` // of all requests
	Account  string    `json:"account"`
	Proof    string    `json:"proof"`
}

// intent stands there before a batch is submitted.
type intent struct {
	Part  int       `json:"part"`
	Lines ranges    `json:"lines"`
	Mark  Mark      `json:"mark"`
	At    time.Time `json:"at"`
}

// Mark is the batch that was the API's newest before an intent: what the intent made is newer.
type Mark struct {
	ID        string    `json:"id,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// taking tells which batch an intent made.
type taking struct {
	Part  int    `json:"part"`
	Batch string `json:"batch"`
}

// Account is who pays for a run.
type Account struct {
	Shown  string // may be shown: base URL and kind of credential
	Secret string
}

// proof tells later whether the credential is the same.
func (a Account) proof(run string) string {
	m := hmac.New(sha256.New, []byte(run))
	m.Write([]byte(a.Secret))
	return hex.EncodeToString(m.Sum(nil))
}

// ranges are line numbers that grow, written as the first and the last of each stretch.
type ranges []int

func (r ranges) MarshalJSON() ([]byte, error) {
	var list [][2]int
	for _, n := range r {
		if last := len(list) - 1; last >= 0 && list[last][1] == n-1 {
			list[last][1] = n
		} else {
			list = append(list, [2]int{n, n})
		}
	}
	return json.Marshal(list)
}

func (r *ranges) UnmarshalJSON(data []byte) error {
	var list [][2]int
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*r = nil
	for _, one := range list {
		for n := one[0]; n <= one[1]; n++ {
			*r = append(*r, n)
		}
	}
	return nil
}

// createJournal begins a journal, in a directory that is not in place yet.
func createJournal(path string, first event, step func(string)) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{f, step}
	if err := j.append("the beginning", first); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// openJournal takes the journal for this process and reads it. It fails with errBusy where another has it.
func openJournal(path string, step func(string)) (*journal, []event, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, nil, err
	}
	events, whole, err := readEvents(f)
	if err == nil {
		err = f.Truncate(whole) // what is torn, the next line must not stand behind
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return &journal{f, step}, events, nil
}

// readEvents returns the events of a journal, and where the last whole line ends.
func readEvents(r io.Reader) (list []event, whole int64, err error) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes('\n')
		if err == io.EOF {
			return list, whole, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var e event
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return nil, 0, fmt.Errorf("reading the journal, line %d: %w", len(list)+1, err)
		}
		list, whole = append(list, e), whole+int64(len(line))
	}
}

// append writes an event, and returns once it is on disk.
func (j *journal) append(what string, e event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.step(what + " is written")
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.step(what + " is on disk")
	return nil
}

func (j *journal) close() { j.file.Close() }
