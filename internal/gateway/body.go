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
	data  []byte   // all of it, where there is no file
	file  *os.File // without a name
	size  int64    // of the file
	rest  io.Reader
	taken int64
}

// keep reads a body to its end. An error is the client's.
func (b *bodies) keep(r io.Reader) (*body, error) {
	k := &body{from: b}
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		if n > 0 && k.write(chunk[:n]) != nil {
			// What is not kept is in hand. A Reader that reported an end or an error reports it again.
			k.rest = io.MultiReader(bytes.NewReader(chunk[:n]), r)
			return k, nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return k, nil
		case err != nil:
			k.drop()
			return nil, err
		}
	}
}

// write keeps the next part, whole or not at all: in memory while there is room in it, else in a file.
func (k *body) write(part []byte) error {
	size := int64(len(part))
	if k.file == nil && k.from.used.Add(size) <= memory {
		k.taken += size
		k.data = append(k.data, part...)
		return nil
	}
	if k.file == nil {
		k.from.used.Add(-size)
		if err := k.spill(); err != nil {
			return err
		}
	}
	_, err := k.file.WriteAt(part, k.size)
	if err == nil {
		k.size += size
	}
	return err
}

// spill moves what was read to a file that has no name as soon as it is made, so that a crash leaves nothing behind.
func (k *body) spill() error {
	f, err := os.CreateTemp(k.from.dir, "body-") // for us alone, 0600
	if err != nil {
		return err
	}
	if err = os.Remove(f.Name()); err == nil {
		_, err = f.Write(k.data)
	}
	if err != nil {
		f.Close()
		return err
	}
	k.from.used.Add(-k.taken)
	k.file, k.size, k.data, k.taken = f, k.taken, nil, 0
	return nil
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
