package gateway

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// memory bounds, in bytes, what the bodies of all calls may take; the rest goes to files.
const memory = 32 << 20

// bodies keeps the requests' bodies for as long as they may have to be sent again.
type bodies struct {
	dir  string // for what does not fit into memory; private
	used atomic.Int64
}

// body is one request's body, whole: it is read any number of times, also at once. Where the disk has no room for it,
// what is left stays with the client, and it is read once.
type body struct {
	from  *bodies
	data  []byte   // the beginning, or without a file all of it
	file  *os.File // without a name; nil: all is in data
	size  int64    // of the file
	rest  io.Reader
	taken int64
}

// keep reads a body to its end. An error is the client's.
func (b *bodies) keep(r io.Reader) (*body, error) {
	k := &body{from: b}
	var buf bytes.Buffer
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		var full error
		switch {
		case n == 0:
		case k.file == nil && b.used.Add(int64(n)) <= memory:
			k.taken += int64(n)
			buf.Write(chunk[:n])
		case k.file == nil:
			b.used.Add(-int64(n))
			if full = k.spill(buf.Bytes()); full == nil {
				buf = bytes.Buffer{}
				full = k.write(chunk[:n])
			}
		default:
			full = k.write(chunk[:n])
		}
		switch {
		case full != nil:
			// What is neither in the file nor in buf is in hand. A Reader that reported an end or an error reports it again.
			k.data = buf.Bytes()
			k.rest = io.MultiReader(bytes.NewReader(bytes.Clone(chunk[:n])), r)
			return k, nil
		case errors.Is(err, io.EOF):
			k.data = buf.Bytes()
			return k, nil
		case err != nil:
			k.drop()
			return nil, err
		}
	}
}

// spill moves what was read to a file that has no name as soon as it is made, so that a crash leaves nothing behind.
func (k *body) spill(data []byte) error {
	f, err := os.CreateTemp(k.from.dir, "body-") // for us alone, 0600
	if err != nil {
		return err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return err
	}
	k.file = f
	if err := k.write(data); err != nil {
		k.file = nil
		f.Close()
		return err
	}
	k.from.used.Add(-k.taken)
	k.taken = 0
	return nil
}

// write puts the next part into the file. What does not fit whole does not count.
func (k *body) write(data []byte) error {
	n, err := k.file.WriteAt(data, k.size)
	if err == nil {
		k.size += int64(n)
	}
	return err
}

// once says that the body can't be sent again.
func (k *body) once() bool { return k.rest != nil }

// kept reads what was kept of the body.
func (k *body) kept() io.Reader {
	if k.file != nil {
		return io.NewSectionReader(k.file, 0, k.size)
	}
	return bytes.NewReader(k.data)
}

// reader reads the body from its beginning.
func (k *body) reader() io.ReadCloser {
	if k.once() {
		return io.NopCloser(io.MultiReader(k.kept(), k.rest))
	}
	return io.NopCloser(k.kept())
}

// drop lets the body go. Who still reads it from a file gets an error: the request was answered before its end.
func (k *body) drop() {
	k.from.used.Add(-k.taken)
	k.taken = 0
	if k.file != nil {
		k.file.Close()
	}
}
