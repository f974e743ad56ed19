package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// Reader implements Connector. It reads the whole file once for its checksum before it gives the first row, so that no row of a file that has changed comes out (P18).
func (c *fileConnector) Reader(ctx context.Context, p Partition, from int64) (Reader, error) {
	var m fileMeta
	if err := cbor.Unmarshal(p.Meta, &m); err != nil {
		return nil, fmt.Errorf("source files %s: meta of partition %s: %w", c.dir, p.Key, err)
	}
	if from > m.Length {
		return nil, fmt.Errorf("file %s offset %d: its end is %d: %w", m.Path, from, m.Length, ErrBeyondEnd)
	}
	f, err := os.Open(m.Path)
	if err != nil {
		return nil, fmt.Errorf("%w; it is planned and not read to its end: restore it", err)
	}
	r := &fileReader{meta: m, file: f, from: from, lines: lineReader{limit: c.limit, fill: true, next: from}}
	if err = r.verify(ctx); err == nil {
		err = r.seek(ctx, c.header)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// packed tells by the name whether a file is gzip.
func packed(path string) bool { return strings.HasSuffix(path, ".gz") }

// unpack reads f from its start through gzip.
func unpack(f *os.File) (io.Reader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return gzip.NewReader(f)
}

type fileReader struct {
	meta  fileMeta
	file  *os.File
	from  int64
	lines lineReader
	done  bool
}

// verify compares the open file with what was planned.
func (r *fileReader) verify(ctx context.Context) error {
	if err := r.unchanged(); err != nil {
		return err
	}
	sum, err := checksum(ctx, r.file)
	if err != nil {
		return fmt.Errorf("file %s: %w", r.meta.Path, err)
	}
	if sum != r.meta.Sum && !fault.Planted("P18-changed-file") {
		return fmt.Errorf("file %s %w: its checksum was %016x, now %016x; restore it or move it away, and give new rows as a new file", r.meta.Path, ErrFileChanged, r.meta.Sum, sum)
	}
	return nil
}

// unchanged compares size and time of the open file with what was planned.
func (r *fileReader) unchanged() error {
	st, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("file %s: %w", r.meta.Path, err)
	}
	return r.meta.check(st)
}

// seek goes to the first line that begins at from or behind it, and past the header.
func (r *fileReader) seek(ctx context.Context, header bool) error {
	if header {
		if err := r.readHeader(); err != nil {
			return err
		}
	}
	skip := max(r.from-1, 0) // from is the start of a line exactly if the byte before it ends one
	var text io.Reader = r.file
	var err error
	if packed(r.meta.Path) {
		if text, err = unpack(r.file); err == nil {
			_, err = io.CopyN(io.Discard, contextReader{ctx, text}, skip)
		}
	} else {
		_, err = r.file.Seek(skip, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("file %s: go to offset %d: %w", r.meta.Path, r.from, err)
	}
	r.lines.src = text
	if r.from > 0 {
		r.lines.next = skip
		return r.skipLine()
	}
	if header {
		return r.skipLine()
	}
	return nil
}

// skipLine passes over the rest of a line. What is behind it is read next.
func (r *fileReader) skipLine() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.lines.src.Read(buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			r.lines.next += int64(i + 1)
			r.lines.carry = append(r.lines.carry, buf[i+1:n]...)
			if err != nil {
				r.lines.err = err
			}
			return nil
		}
		r.lines.next += int64(n)
		if err == io.EOF {
			r.lines.err = io.EOF
			return nil
		}
		if err != nil {
			return fmt.Errorf("file %s: %w", r.meta.Path, err)
		}
	}
}

// readHeader reads the first line.
func (r *fileReader) readHeader() error {
	var text io.Reader = r.file
	_, err := r.file.Seek(0, io.SeekStart)
	if err == nil && packed(r.meta.Path) {
		text, err = unpack(r.file)
	}
	if err != nil {
		return fmt.Errorf("file %s: %w", r.meta.Path, err)
	}
	first := lineReader{src: io.LimitReader(text, maxHeaderBytes), limit: maxHeaderBytes, fill: false}
	b, err := first.block()
	if err != nil {
		return fmt.Errorf("file %s: read its header: %w", r.meta.Path, err)
	}
	if r.lines.header = bytes.Clone(b.Value(0)); r.lines.header == nil {
		r.lines.header = []byte{}
	}
	return nil
}

// maxHeaderBytes is how long the header of a file may be; a longer one is cut, and then lacks columns.
const maxHeaderBytes = 64 << 10

// Next implements Reader.
func (r *fileReader) Next(ctx context.Context) (*records.Block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.done {
		return nil, io.EOF
	}
	first := r.lines.next
	b, err := r.lines.block()
	switch {
	case errors.Is(err, io.EOF):
		r.done = true
		if err := r.finish(); err != nil {
			return nil, err
		}
		if r.from == r.meta.Length {
			return nil, io.EOF
		}
		// No line is left, but the partition's end is not reached yet: a header alone, or from within the last line.
		b = &records.Block{Data: pad(nil), Next: r.meta.Length}
	case err != nil:
		return nil, fmt.Errorf("file %s offset %d: %w", r.meta.Path, first, err)
	}
	b.First, r.from = r.from, b.Next
	return b, nil
}

// finish checks, at the end, that it is the end that was planned.
func (r *fileReader) finish() error {
	if err := r.unchanged(); err != nil {
		return err
	}
	if r.lines.next != r.meta.Length && !fault.Planted("P18-changed-file") {
		return fmt.Errorf("file %s %w: its text had %d bytes, now %d", r.meta.Path, ErrFileChanged, r.meta.Length, r.lines.next)
	}
	return nil
}

// End implements Reader.
func (r *fileReader) End() int64 { return r.meta.Length }

// Close implements Reader.
func (r *fileReader) Close() error { return r.file.Close() }
