package batch

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Files of a run, in a directory of its own. What begins with a dot is no run yet, or no longer.
const (
	promptsName = "prompts.jsonl"
	journalName = "journal.jsonl"
	cancelName  = "cancel"
)

// Draft is a run that nothing was sent of: its requests are checked, and copied. Begin or Discard ends it.
type Draft struct {
	Requests int
	Bytes    int64
	Sums     map[string]Sum // by model
	Hash     string         // of all requests

	root, id, input string
	file            *os.File
	step            func(string)
}

// Check reads requests and checks all of them. name is how errors call the input. The copy stands in a directory below root
// that is this user's alone, which is made. Faults of the input are an *InputError.
func Check(in io.Reader, name, root string, d Defaults) (*Draft, error) {
	return check(in, name, root, d, func(string) {})
}

func check(in io.Reader, name, root string, d Defaults, step func(string)) (*Draft, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	sweep(root, time.Now())
	one := &Draft{root: root, id: strings.ToLower(rand.Text()[:8]), input: name, step: step}
	if err := os.Mkdir(one.place(), 0o700); err != nil {
		return nil, err
	}
	var err error
	if one.file, err = os.OpenFile(filepath.Join(one.place(), promptsName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		err = lock(one.file)
	}
	if err == nil {
		err = one.copy(in, d)
	}
	if err != nil {
		one.Discard()
		return nil, err
	}
	return one, nil
}

// place is where the draft stands.
func (d *Draft) place() string { return filepath.Join(d.root, "."+d.id) }

// copy checks the requests and copies them.
func (d *Draft) copy(in io.Reader, defaults Defaults) error {
	c := checker{defaults: defaults, ids: make(map[string]int), sums: make(map[string]Sum)}
	hash := sha256.New()
	r, w := bufio.NewReaderSize(in, 64<<10), bufio.NewWriterSize(io.MultiWriter(d.file, hash), 64<<10)
	var buf []byte
	for number := 1; ; number++ {
		line, err := readLine(r, buf)
		if err == io.EOF {
			break
		}
		if errors.Is(err, errLong) {
			c.fault(number, 1, err.Error()) // where the next line begins is not known
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", d.input, err)
		}
		if buf = line; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		one, ok := c.line(number, line)
		if !ok {
			continue
		}
		d.Requests++
		n := int64(len(beforeID) + len(one.id) + len(beforeParams) + len(one.params) + 2)
		d.Bytes += n
		for _, piece := range [...]string{beforeID, one.id, beforeParams} {
			w.WriteString(piece)
		}
		w.Write(one.params)
		w.WriteString("}\n") // Flush says what went wrong, be it here
		if d.Requests%500 == 1 {
			d.step("a request is copied")
		}
	}
	if len(c.faults) > 0 {
		return &InputError{d.input, c.faults, c.more}
	}
	if d.Requests == 0 {
		return fmt.Errorf("reading %s: there is no request in it", d.input)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("keeping a copy of the prompts: %w", err)
	}
	d.step("the copy is written")
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("keeping a copy of the prompts: %w", err)
	}
	d.step("the copy is on disk")
	d.Sums, d.Hash = c.sums, hex.EncodeToString(hash.Sum(nil))
	return nil
}

// Discard forgets the draft.
func (d *Draft) Discard() {
	d.file.Close()
	os.RemoveAll(d.place()) // else the next sweep does
}

// Begin makes a run of the draft: from then on it can be resumed. Who pays is remembered, the credential is not.
func (d *Draft) Begin(who Account) (*Run, error) {
	j, err := createJournal(filepath.Join(d.place(), journalName), event{Begin: &beginning{
		At: time.Now(), Input: d.input, Requests: d.Requests, Hash: d.Hash, Account: who.Shown, Proof: who.proof(d.id),
	}}, d.step)
	if err != nil {
		return nil, err
	}
	if err = syncDir(d.place()); err == nil {
		err = os.Rename(d.place(), filepath.Join(d.root, d.id))
	}
	if err == nil {
		d.step("the run is in place")
		err = syncDir(d.root)
	}
	j.close()
	d.file.Close()
	if err != nil {
		return nil, err
	}
	d.step("the run has begun")
	return open(d.root, d.id, who, d.step)
}

// lock takes a file for this process, which a kill undoes.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errBusy
	}
	return nil
}

var errBusy = errors.New("another process has it")

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

const (
	// kept is how long the API keeps results, and we what can't be of use longer.
	kept = 29 * 24 * time.Hour
	// fresh is how long a draft is left alone whose process does not hold it: it may be about to.
	fresh = time.Minute
)

// sweep removes what processes left that died, and runs whose results are gone.
func sweep(root string, now time.Time) {
	list, _ := os.ReadDir(root) // what is not seen is swept another time
	for _, e := range list {
		path, file, age := filepath.Join(root, e.Name()), journalName, kept
		if strings.HasPrefix(e.Name(), ".") {
			file, age = promptsName, fresh
		}
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < age {
			continue
		}
		f, err := os.Open(filepath.Join(path, file))
		if err == nil {
			if lock(f) == nil {
				os.RemoveAll(path)
			}
			f.Close()
		} else if errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(path)
		}
	}
}
