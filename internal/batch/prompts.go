package batch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// prompts is the copy of the requests that a run keeps, a line each, in their order: {"custom_id":"…","params":{…}}. What
// is in memory is where each line ends.
type prompts struct {
	file *os.File
	ends []int64
}

const (
	beforeID     = `{"custom_id":"`
	beforeParams = `","params":`
)

// openPrompts finds the lines of the copy.
func openPrompts(path string) (*prompts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p := &prompts{file: f}
	r := bufio.NewReaderSize(f, 64<<10)
	var at int64
	for {
		piece, err := r.ReadSlice('\n')
		at += int64(len(piece))
		switch {
		case err == nil:
			p.ends = append(p.ends, at)
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF:
			return p, nil
		default:
			f.Close()
			return nil, err
		}
	}
}

func (p *prompts) len() int { return len(p.ends) }

// bounds are those of a line, its end included.
func (p *prompts) bounds(i int) (from, to int64) {
	if i > 0 {
		from = p.ends[i-1]
	}
	return from, p.ends[i]
}

// line returns the id and the params of a line.
func (p *prompts) line(i int) (id string, params []byte, err error) {
	from, to := p.bounds(i)
	data := make([]byte, to-from)
	if _, err := p.file.ReadAt(data, from); err != nil {
		return "", nil, fmt.Errorf("reading the prompts that are kept: %w", err)
	}
	data, a := bytes.CutPrefix(data, []byte(beforeID))
	name, params, b := bytes.Cut(data, []byte(beforeParams))
	params, c := bytes.CutSuffix(params, []byte("}\n"))
	if !a || !b || !c {
		return "", nil, fmt.Errorf("reading the prompts that are kept: line %d is none", i+1)
	}
	return string(name), params, nil
}

// Around the requests in the body of a create, and between them.
const (
	bodyBegins, bodyEnds = `{"requests":[`, `]}`
	// around bounds what stands around the params of one, in bytes: the longest custom_id and a comma too.
	around = len(beforeID) + 64 + len(beforeParams) + 2
)

// size is how many bytes line i takes in the body of a create, at most.
func (p *prompts) size(i int) int64 {
	from, to := p.bounds(i)
	return to - from + int64(around)
}

// body is the body of a create, made line by line as it is read.
type body struct {
	prompts *prompts
	id      func(line int) string
	lines   []int
	next    int
	buf     bytes.Buffer
	step    func(string)
}

func (p *prompts) body(lines []int, id func(line int) string) *body {
	b := &body{prompts: p, id: id, lines: lines, step: func(string) {}}
	b.buf.WriteString(bodyBegins)
	return b
}

// length is how many bytes a body of these lines has.
func (p *prompts) length(lines []int, id func(line int) string) (n int64, err error) {
	return io.Copy(io.Discard, p.body(lines, id))
}

func (b *body) Read(out []byte) (int, error) {
	b.step("a piece of the batch is being sent")
	for b.buf.Len() < len(out) && b.next <= len(b.lines) {
		if b.next == len(b.lines) {
			b.buf.WriteString(bodyEnds)
			b.next++
			break
		}
		i := b.lines[b.next]
		_, params, err := b.prompts.line(i)
		if err != nil {
			return 0, err
		}
		if b.next > 0 {
			b.buf.WriteByte(',')
		}
		b.buf.WriteString(beforeID + b.id(i) + beforeParams)
		b.buf.Write(params)
		b.buf.WriteByte('}')
		b.next++
	}
	return b.buf.Read(out)
}
