package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLine bounds one request, in bytes: the API takes no larger one.
const maxLine = 32 << 20

// maxFaults is how many faults are shown.
const maxFaults = 10

// Defaults are for lines that do not say so themselves.
type Defaults struct {
	Model     string
	MaxTokens int // 0: none
}

// Fault is what is wrong with the input, and where: line and column count from 1, columns in letters.
type Fault struct {
	Line, Column int
	What         string
}

// An InputError names all that is wrong with the input, or the beginning of it.
type InputError struct {
	Name   string
	Faults []Fault
	More   int // not shown
}

func (e *InputError) Error() string {
	var b strings.Builder
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "%s:%d:%d: %s\n", e.Name, f.Line, f.Column, f.What)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "… and %d more\n", e.More)
	}
	return b.String() + "hint: nothing was sent"
}

// Sum is what requests to one model take. Input is estimated, Output is the most that they may be answered.
type Sum struct {
	Requests      int
	Input, Output int // tokens
}

// checker reads requests, and makes them those that the API takes.
type checker struct {
	defaults Defaults
	ids      map[string]int // their lines
	sums     map[string]Sum // by model
	faults   []Fault
	more     int
}

// request is one line of the input.
type request struct {
	id     string
	params []byte
}

// wrong is a fault at an offset of the line, in bytes.
type wrong struct {
	at   int
	what string
}

func (w *wrong) Error() string { return w.what }

func (c *checker) fault(line, column int, what string) {
	if len(c.faults) == maxFaults {
		c.more++
		return
	}
	c.faults = append(c.faults, Fault{line, column, what})
}

// line checks one line. ok is false where it is at fault, which is noted.
func (c *checker) line(number int, data []byte) (r request, ok bool) {
	r, err := c.read(number, data)
	if w := new(wrong); errors.As(err, &w) {
		c.fault(number, utf8.RuneCount(data[:min(w.at, len(data))])+1, w.what)
		return r, false
	}
	return r, true
}

// field is a key of an object with its value, and where both stand in the line.
type field struct {
	key         string
	raw         []byte
	keyAt, from int
}

// object returns the fields of an object that stands at an offset of the line. data is valid JSON.
func object(data []byte, at int, what string) ([]field, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, &wrong{at, what + " is no object"}
	}
	next := func() int {
		i := int(d.InputOffset())
		return i + len(data[i:]) - len(bytes.TrimLeft(data[i:], " \t\r\n,:"))
	}
	var list []field
	for d.More() {
		f := field{keyAt: at + next()}
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		f.key = t.(string) // of an object, keys are
		f.from = at + next()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		f.raw = raw
		if slices.ContainsFunc(list, func(o field) bool { return o.key == f.key }) {
			return nil, &wrong{f.keyAt, fmt.Sprintf("%q stands twice", f.key)}
		}
		list = append(list, f)
	}
	return list, nil
}

// take removes a field from a list.
func take(list *[]field, key string) (f field, ok bool) {
	i := slices.IndexFunc(*list, func(f field) bool { return f.key == key })
	if i < 0 {
		return f, false
	}
	f = (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return f, true
}

// text is the value of a field that is to be a string with something in it.
func (f field) text() (s string, err error) {
	if json.Unmarshal(f.raw, &s) != nil || s == "" {
		return "", &wrong{f.from, fmt.Sprintf("%s is no text", f.key)}
	}
	return s, nil
}

// read makes a request of a line: params of the Messages API with a custom_id beside them, the two apart as the Batches API
// has them, or a prompt and what there is to say beside it.
func (c *checker) read(number int, data []byte) (r request, err error) {
	if !utf8.Valid(data) {
		at := 0
		for letter, size := utf8.DecodeRune(data); letter != utf8.RuneError || size != 1; letter, size = utf8.DecodeRune(data[at:]) {
			at += size
		}
		return r, &wrong{at, "no UTF-8"}
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		at := len(data)
		if s := new(json.SyntaxError); errors.As(err, &s) && !strings.Contains(err.Error(), "unexpected end") {
			at = int(s.Offset) - 1
		}
		return r, &wrong{at, "no JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	at := len(data) - len(bytes.TrimLeft(data, " \t\r"))
	fields, err := object(data[at:], at, "the line")
	if err != nil {
		return r, err
	}
	r.id = fmt.Sprintf("line-%d", number)
	if f, ok := take(&fields, "custom_id"); ok {
		if r.id, err = f.text(); err != nil {
			return r, err
		}
		at = f.from
	}
	switch was := c.ids[r.id]; {
	case !made(r.id, digits+small+large+"_-"):
		return r, &wrong{at, fmt.Sprintf("custom_id %.80q: the API takes 1 to 64 of A-Z, a-z, 0-9, _ and -", r.id)}
	case was > 0:
		return r, &wrong{at, fmt.Sprintf("custom_id %q stands in line %d already", r.id, was)}
	}
	c.ids[r.id] = number
	if f, ok := take(&fields, "params"); ok {
		if len(fields) > 0 {
			return r, &wrong{fields[0].keyAt, fmt.Sprintf("%q stands beside params", fields[0].key)}
		}
		at = f.from
		if fields, err = object(f.raw, f.from, "params"); err != nil {
			return r, err
		}
	}
	return r, c.params(&r, fields, at)
}

const digits, small, large = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// made reports whether an id is made of these letters, and 1 to 64 long.
func made(id, letters string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(letters, r) })
}

// complete gives the params of a request what they lack: the messages of a prompt, and the defaults.
func (c *checker) complete(fields []field) ([]field, error) {
	if f, ok := take(&fields, "prompt"); ok {
		prompt, err := f.text()
		if err != nil {
			return nil, err
		}
		if m, ok := take(&fields, "messages"); ok {
			return nil, &wrong{m.keyAt, `"messages" stands beside prompt`}
		}
		fields = append(fields, field{key: "messages", raw: encode([]map[string]string{{"role": "user", "content": prompt}})})
	}
	has := func(key string) bool {
		return slices.ContainsFunc(fields, func(f field) bool { return f.key == key })
	}
	if !has("model") && c.defaults.Model != "" {
		fields = append(fields, field{key: "model", raw: encode(c.defaults.Model)})
	}
	if !has("max_tokens") && c.defaults.MaxTokens > 0 {
		fields = append(fields, field{key: "max_tokens", raw: encode(c.defaults.MaxTokens)})
	}
	return fields, nil
}

// params makes the params of a request, whose object stands at an offset of the line.
func (c *checker) params(r *request, fields []field, at int) error {
	fields, err := c.complete(fields)
	if err != nil {
		return err
	}
	var model string
	var most int
	seen := make(map[string]bool)
	out := bytes.NewBufferString("{")
	for _, f := range fields {
		seen[f.key] = true
		var err error
		switch f.key {
		case "model":
			model, err = f.text()
		case "max_tokens":
			if json.Unmarshal(f.raw, &most) != nil || most < 1 {
				err = &wrong{f.from, "max_tokens is no whole number from 1 on"}
			}
		case "messages":
			var list []json.RawMessage
			if json.Unmarshal(f.raw, &list) != nil || len(list) == 0 {
				err = &wrong{f.from, "messages is no list with something in it"}
			}
		case "stream":
			if string(f.raw) == "true" {
				err = &wrong{f.from, "stream: a batch has no streams"}
			}
		}
		if err != nil {
			return err
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(encode(f.key))
		out.WriteByte(':')
		json.Compact(out, f.raw) // it was read, and is JSON
	}
	for _, need := range []struct{ key, hint string }{{"model", "; --model is for all lines that name none"}, {"max_tokens", "; --max-tokens is for all lines without"}, {"messages", ""}} {
		if !seen[need.key] {
			return &wrong{at, need.key + " is missing" + need.hint}
		}
	}
	r.params = append(out.Bytes(), '}')
	s := c.sums[model]
	c.sums[model] = Sum{s.Requests + 1, s.Input + len(r.params)/bytesPerToken, s.Output + most}
	return nil
}

// bytesPerToken is what English and code take; other scripts take more tokens, and images less.
const bytesPerToken = 4

// encode is JSON of what surely is some.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v) // our own types, into memory
	return bytes.TrimRight(b.Bytes(), "\n")
}

// readLine returns the next line without its end, in a buffer that the next call uses again. It fails with io.EOF behind
// the last one, and with errLong where one is longer than maxLine.
func readLine(r interface {
	ReadSlice(byte) ([]byte, error)
}, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		piece, err := r.ReadSlice('\n')
		if buf = append(buf, piece...); len(buf) > maxLine {
			return nil, errLong
		}
		switch {
		case err == nil:
			return buf[:len(buf)-1], nil
		case err.Error() == "bufio: buffer full":
		case err == io.EOF && len(buf) > 0:
			return buf, nil
		default:
			return nil, err
		}
	}
}

var errLong = errors.New("longer than 32 MB, and the API takes no larger request")
