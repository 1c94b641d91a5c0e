package gateway

import (
	"bytes"
	"errors"
	"fmt"
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

// body is one request's body, whole. It is read any number of times, also at once.
type body struct {
	from  *bodies
	data  []byte
	file  *os.File // without a name; nil: all is in data
	size  int64
	taken int64
}

// keep reads a body to its end.
func (b *bodies) keep(r io.Reader) (*body, error) {
	k := &body{from: b}
	var buf bytes.Buffer
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		if n > 0 && k.file == nil {
			if b.used.Add(int64(n)) > memory {
				b.used.Add(-int64(n))
				if ferr := k.spill(buf.Bytes()); ferr != nil {
					k.drop()
					return nil, ferr
				}
				buf = bytes.Buffer{}
			} else {
				k.taken += int64(n)
				buf.Write(chunk[:n])
			}
		}
		if n > 0 && k.file != nil {
			if _, ferr := k.file.Write(chunk[:n]); ferr != nil {
				k.drop()
				return nil, fmt.Errorf("keeping a request: %w", ferr)
			}
		}
		k.size += int64(n)
		if errors.Is(err, io.EOF) {
			k.data = buf.Bytes()
			return k, nil
		}
		if err != nil {
			k.drop()
			return nil, err
		}
	}
}

// spill moves what was read to a file that has no name as soon as it is made, so that a crash leaves nothing behind.
func (k *body) spill(data []byte) error {
	f, err := os.CreateTemp(k.from.dir, "body-")
	if err != nil {
		return fmt.Errorf("keeping a request: %w", err)
	}
	k.file = f
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("keeping a request: %w", err)
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("keeping a request: %w", err)
	}
	k.from.used.Add(-k.taken)
	k.taken = 0
	return nil
}

// reader reads the body from its beginning.
func (k *body) reader() io.ReadCloser {
	if k.file != nil {
		return io.NopCloser(io.NewSectionReader(k.file, 0, k.size))
	}
	return io.NopCloser(bytes.NewReader(k.data))
}

// drop lets the body go. Who still reads it from a file gets an error: the request was answered before its end.
func (k *body) drop() {
	k.from.used.Add(-k.taken)
	k.taken = 0
	if k.file != nil {
		k.file.Close()
	}
}
