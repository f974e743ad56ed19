package source

import (
	"bytes"
	"errors"
	"io"

	"github.com/millrace/millrace/internal/records"
)

// A block of lines holds that much text, but for a single longer line: lineBlockBytes where it is filled, lineReadBytes where
// it has what is there.
const (
	lineBlockBytes = 256 << 10
	lineReadBytes  = 16 << 10
)

// bom may stand at the start of a text file and is no part of its first line.
const bom = "\ufeff"

// lineReader cuts a stream of bytes into blocks of lines. The offset of a line is that of its first byte. A line ends with LF or CRLF, the last one with the stream.
//
// A line that is longer than limit is given as its first limit+1 bytes, which tell the decoder that it is too long;
// the rest is passed over and never held in memory.
type lineReader struct {
	src    io.Reader
	limit  int
	fill   bool   // wait for a whole block; otherwise a block has what is there
	header []byte // where not nil: the key of every record
	next   int64  // offset of the first byte that no block has covered
	carry  []byte // what was read behind it
	err    error  // of src, kept until the lines before it are given
}

// block is the next lines, at least one. At the end of the stream it is io.EOF.
func (r *lineReader) block() (*records.Block, error) {
	size := lineReadBytes
	if r.fill {
		size = lineBlockBytes
	}
	size = max(size, len(r.carry)) + len(r.header)
	data := make([]byte, 0, size+records.Padding)
	data = append(append(data, r.header...), r.carry...)
	r.carry = nil
	text := len(r.header) // where lines begin
	seen := text          // no newline before it
	last := -1            // the last newline
	for {
		if i := bytes.LastIndexByte(data[seen:], '\n'); i >= 0 {
			last = seen + i
		}
		seen = len(data)
		full := cap(data) - records.Padding - len(data)
		if last >= 0 && (!r.fill || full == 0) || r.err != nil {
			break
		}
		if full == 0 {
			if len(data)-text > r.limit {
				return r.longLine(data, text)
			}
			data = append(data, make([]byte, len(data)+records.Padding)...)[:len(data)]
			continue
		}
		n, err := r.src.Read(data[len(data) : cap(data)-records.Padding])
		data, r.err = data[:len(data)+n], err
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) && last < 0 {
		return nil, r.err
	}
	end := last + 1
	if errors.Is(r.err, io.EOF) && end < len(data) {
		end = len(data) // the last line has no newline
	}
	if end <= text {
		return nil, r.err
	}
	r.carry = append(r.carry, data[end:]...)
	b := r.cut(data[:end], text)
	return b, nil
}

// cut makes a block of the lines data[text:].
func (r *lineReader) cut(data []byte, text int) *records.Block {
	lines := bytes.Count(data[text:], []byte{'\n'}) + 1
	b := &records.Block{First: r.next, Next: r.next + int64(len(data)-text), Data: data}
	b.Values, b.Offsets = make([]records.Span, 0, lines), make([]int64, 0, lines)
	for i := text; i < len(data); {
		end, next := len(data), len(data)
		if n := bytes.IndexByte(data[i:], '\n'); n >= 0 {
			end, next = i+n, i+n+1
		}
		r.add(b, i, end, r.next+int64(i-text))
		i = next
	}
	r.next = b.Next
	return b
}

// add appends the line data[i:end].
func (r *lineReader) add(b *records.Block, i, end int, offset int64) {
	if end > i && b.Data[end-1] == '\r' {
		end--
	}
	if offset == 0 && bytes.HasPrefix(b.Data[i:end], []byte(bom)) {
		i += len(bom)
	}
	b.Values = append(b.Values, records.Span{Off: uint32(i), Len: uint32(min(end-i, r.limit+1))})
	b.Offsets = append(b.Offsets, offset)
	if r.header != nil {
		b.Keys = append(b.Keys, records.Span{Len: uint32(len(r.header))})
	}
}

// longLine is a block of one line that is too long: data[text:] is its beginning.
func (r *lineReader) longLine(data []byte, text int) (*records.Block, error) {
	length := int64(len(data) - text)
	buf := make([]byte, 64<<10)
	for r.err == nil {
		var n int
		n, r.err = r.src.Read(buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			length += int64(i + 1)
			r.carry = append(r.carry, buf[i+1:n]...)
			break
		}
		length += int64(n)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return nil, r.err
	}
	b := &records.Block{First: r.next, Next: r.next + length, Data: pad(data[: text+r.limit+1 : text+r.limit+1])}
	r.add(b, text, text+r.limit+1, r.next)
	b.Values[0].Len = uint32(r.limit + 1) // neither CR nor BOM make it shorter
	b.Values[0].Off = uint32(text)
	r.next = b.Next
	return b, nil
}
