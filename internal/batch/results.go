package batch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// result is one line of the API's results, as far as it decides something.
type result struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type  string
		Error struct {
			Error struct{ Type string }
		}
	} `json:"result"`
}

// lasts reports whether trying again would change nothing.
func (o result) lasts() bool {
	switch o.Result.Type {
	case "expired":
		return false
	case "errored":
		switch o.Result.Error.Error.Type {
		case "overloaded_error", "rate_limit_error", "api_error", "timeout_error":
			return false
		}
	}
	return true
}

func (r *Run) resultsPath(p *part) string {
	return filepath.Join(r.dir, fmt.Sprintf("results-%d.jsonl", p.Part))
}

// fetch downloads the results of a part. They stand in their place only when they are whole.
func (r *Run) fetch(ctx context.Context, api *API, p *part) error {
	in, err := api.results(ctx, p.batch)
	if err != nil {
		return fmt.Errorf("fetching the results of batch %s: %w", p.batch, err)
	}
	defer in.Close()
	path := r.resultsPath(p) + ".new"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	lines, n := bufio.NewReaderSize(in, 64<<10), 0
	for {
		piece, err := lines.ReadSlice('\n')
		if err == io.EOF && len(piece) > 0 {
			piece = append(slices.Clip(piece), '\n') // the last line has no end
		}
		if _, err := f.Write(piece); err != nil {
			return fmt.Errorf("keeping the results of batch %s: %w", p.batch, err)
		}
		if bytes.HasSuffix(piece, []byte("\n")) {
			if n++; n%250 == 1 {
				r.step("a result is written")
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("fetching the results of batch %s: %w", p.batch, err)
		}
	}
	if n < len(p.Lines) { // what is missing must not be taken for what has no answer
		return &lostError{what: fmt.Sprintf("the results of batch %s end after %d of %d", p.batch, n, len(p.Lines))}
	}
	r.step("the results are written")
	if err := f.Sync(); err != nil {
		return fmt.Errorf("keeping the results of batch %s: %w", p.batch, err)
	}
	r.step("the results are on disk")
	if err := os.Rename(path, r.resultsPath(p)); err != nil {
		return err
	}
	r.step("the results are in place")
	return syncDir(r.dir)
}

// adopt takes what a part's results say into the lines. It fails with os.ErrNotExist where they are not there yet.
func (r *Run) adopt(p *part) error {
	f, err := os.Open(r.resultsPath(p))
	if err != nil {
		return err
	}
	p.results = f
	of := make(map[int]bool, len(p.Lines))
	for _, i := range p.Lines {
		of[i] = true
	}
	lines, at := bufio.NewReaderSize(f, 64<<10), int64(0)
	var buf []byte
	for {
		data, err := readLine(lines, buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", f.Name(), err)
		}
		buf = data
		var one result
		if json.Unmarshal(data, &one) == nil {
			if i, ok := lineOf(one.CustomID, r.ID, p.Part); ok && of[i] {
				delete(of, i)
				r.settle(i, line{part: int32(p.Part), at: at, size: int32(len(data))}, one)
			}
		}
		at += int64(len(data)) + 1
	}
	if len(of) > 0 {
		return fmt.Errorf("reading %s: it has no result of %d requests", f.Name(), len(of))
	}
	return nil
}

// settle gives a line its result.
func (r *Run) settle(i int, at line, one result) {
	at.tries, at.state = r.lines[i].tries, done
	if !one.lasts() && at.tries < maxTries {
		at.state = again
	}
	r.lines[i] = at
}

// lineOf is the line that a custom_id of that part names.
func lineOf(id, run string, part int) (int, bool) {
	number, ok := strings.CutPrefix(id, mark(run, part))
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n >= 0
}

// proves reports whether a batch that has ended is that of a part: its first result says so.
func (r *Run) proves(ctx context.Context, api *API, p *part, id string) (bool, error) {
	in, err := api.results(ctx, id)
	if refused := new(refusal); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return false, &lostError{what: "the results of batch " + id + " are not there"}
	}
	if err != nil {
		return false, err
	}
	defer in.Close()
	data, err := readLine(bufio.NewReaderSize(in, 64<<10), nil)
	if err == io.EOF {
		return false, &lostError{what: "the results of batch " + id + " are empty"}
	}
	if err != nil {
		return false, err
	}
	r.step("a batch proves whose it is")
	var one result
	json.Unmarshal(data, &one) // what is no result is not ours
	_, ok := lineOf(one.CustomID, r.ID, p.Part)
	return ok, nil
}

// output writes results in the order of the requests, each once its turn has come.
type output struct {
	run  *Run
	w    io.Writer
	buf  *bufio.Writer
	next int // line
	sum  Summary
}

func newOutput(r *Run, w io.Writer) *output {
	return &output{run: r, w: w, buf: bufio.NewWriterSize(w, 64<<10), sum: Summary{Requests: len(r.lines)}}
}

// write writes what can be by now.
func (o *output) write() error {
	r := o.run
	for ; o.next < len(r.lines); o.next++ {
		l := r.lines[o.next]
		canceled := r.canceled && (l.state == due || l.state == again)
		if l.state != done && !canceled {
			break
		}
		id, _, err := r.prompts.line(o.next)
		if err != nil {
			return err
		}
		data := []byte(`{"type":"canceled"}`)
		if l.size > 0 {
			if data, err = r.resultOf(l); err != nil {
				return err
			}
		}
		o.count(data)
		fmt.Fprintf(o.buf, "{\"custom_id\":%q,\"result\":%s}\n", id, data) // Flush says what went wrong, be it here
		if o.next%500 == 0 {
			r.step("a result is put out")
		}
	}
	if err := o.buf.Flush(); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// resultOf reads the result of a line.
func (r *Run) resultOf(l line) (json.RawMessage, error) {
	data := make([]byte, l.size)
	if _, err := r.parts[l.part].results.ReadAt(data, l.at); err != nil {
		return nil, fmt.Errorf("reading the results that are kept: %w", err)
	}
	var one struct{ Result json.RawMessage }
	if err := json.Unmarshal(data, &one); err != nil {
		return nil, fmt.Errorf("reading the results that are kept: %w", err)
	}
	return bytes.TrimSpace(one.Result), nil
}

func (o *output) count(data []byte) {
	var one struct{ Type string }
	json.Unmarshal(data, &one) // it was read before
	switch one.Type {
	case "succeeded":
		o.sum.Succeeded++
	case "errored":
		o.sum.Errored++
	case "expired":
		o.sum.Expired++
	default:
		o.sum.Canceled++
	}
}

// flush puts the results on disk, where they go to one.
func (o *output) flush() error {
	o.run.step("the results are put out")
	if f, ok := o.w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.Sync(); err != nil {
				return fmt.Errorf("writing the results: %w", err)
			}
		}
	}
	return nil
}
