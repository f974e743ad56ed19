package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
)

// version is the first byte of a frame.
const version = 1

// copyBelow is the size under which a buffer is copied beside the header instead of being a part of its own.
const copyBelow = 4 << 10

var zeros [8]byte

// Marshal appends rec's rows and buffers, without its schema, to parts for a vectored write: a short header and then the buffers as they
// are in memory. Slices with offsets are normalised first. The bytes are equal for equal rows (I2): padding and bits behind the end are zero.
//
//	version, rows, canon.head    padded with zeros to 8 bytes
//	canon.bufs                   each padded with zeros to 8 bytes
func Marshal(rec arrow.Record, parts [][]byte) [][]byte {
	c := canon{head: binary.AppendUvarint([]byte{version}, uint64(rec.NumRows()))}
	for i, col := range rec.Columns() {
		c.add(viewOf(col.Data()), rec.Schema().Field(i), nil)
	}
	size := pad8(len(c.head))
	for _, b := range c.bufs {
		if len(b) < copyBelow {
			size += len(b)
		}
		size += 8
	}
	run := padTo8(append(make([]byte, 0, size), c.head...))
	for _, b := range c.bufs {
		if len(b) < copyBelow {
			run = padOf(append(run, b...), len(b)) // run may begin with the padding of a part before it
			continue
		}
		if len(run) > 0 {
			parts = append(parts, run)
		}
		parts = append(parts, b)
		run = padOf(run[len(run):], len(b))
	}
	if len(run) > 0 {
		parts = append(parts, run)
	}
	return parts
}

func pad8(n int) int { return (n + 7) &^ 7 }

func padTo8(b []byte) []byte { return padOf(b, len(b)) }

// padOf appends the padding that brings n bytes to a multiple of 8.
func padOf(b []byte, n int) []byte {
	if fault.Planted("I2-padding") {
		dirty := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		return append(b, binary.LittleEndian.AppendUint64(nil, uint64(dirty>>4))[:pad8(n)-n]...)
	}
	return append(b, zeros[:pad8(n)-n]...)
}

// Sum is the xxh3 checksum of what Marshal would write for rec (0 for nil).
func Sum(rec arrow.Record) uint64 {
	if rec == nil {
		return 0
	}
	parts := Marshal(rec, nil)
	if len(parts) == 1 {
		return xxh3.Hash(parts[0])
	}
	var h xxh3.Hasher
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return h.Sum64()
}

// Unmarshal reads what Marshal wrote, for a known schema. The record aliases data, or a copy of it if data is not aligned to 8 bytes. Every length and offset is checked:
// bytes from outside never panic and never read beyond data. It does not prove that the
// bytes are those that were written: that is what a checksum beside them is for.
func Unmarshal(schema *arrow.Schema, data []byte) (arrow.Record, error) {
	if err := Supported(schema); err != nil {
		return nil, err
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%8 != 0 {
		data = append(Alloc(len(data))[:0], data...)
	}
	r := reader{data: data, rest: data}
	rec, err := r.record(schema)
	if err != nil {
		return nil, fmt.Errorf("record batch of %d bytes: %w", len(data), err)
	}
	return rec, nil
}

var errShort = errors.New("ends too early")

// reader reads a frame: first all numbers of the head, then the buffers.
type reader struct {
	data, rest []byte
	nums       []uint64
}

func (r *reader) record(schema *arrow.Schema) (arrow.Record, error) {
	if len(r.rest) == 0 || r.rest[0] != version {
		return nil, errors.New("not a frame of this version")
	}
	r.rest = r.rest[1:]
	limit := 8 * len(r.data) // a row has a bit at least
	if schema.NumFields() == 0 {
		limit = math.MaxInt32 // or nothing at all
	}
	rows, err := r.num(limit)
	if err != nil {
		return nil, err
	}
	for _, f := range schema.Fields() {
		if err := r.head(rows, f); err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	head := len(r.data) - len(r.rest)
	if _, err := r.take(0, pad8(head)-head); err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		d, err := r.column(rows, f)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		cols[i] = array.MakeFromData(d)
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("%d bytes too many", len(r.rest))
	}
	return array.NewRecord(schema, cols, int64(rows)), nil
}

// num reads a number of at most limit.
func (r *reader) num(limit int) (int, error) {
	n, w := binary.Uvarint(r.rest)
	if w <= 0 || w > 1 && r.rest[w-1] == 0 {
		return 0, errors.New("a length that cannot be read")
	}
	if n > uint64(limit) {
		return 0, fmt.Errorf("a length of %d where %d is the most", n, limit)
	}
	r.rest = r.rest[w:]
	return int(n), nil
}

// head reads a column's numbers, depth first.
func (r *reader) head(rows int, f arrow.Field) error {
	nulls, err := r.num(rows)
	if err != nil {
		return err
	}
	if nulls > 0 && !f.Nullable {
		return fmt.Errorf("%d nulls where none may be", nulls)
	}
	r.nums = append(r.nums, uint64(nulls))
	switch s, _ := shapeOf(f.Type); s {
	case text, list:
		limit := len(r.data)
		if s == list {
			limit *= 8
		}
		if rows, err = r.num(min(limit, 1<<31-1)); err != nil {
			return err
		}
		r.nums = append(r.nums, uint64(rows))
	}
	for _, k := range fieldsOf(f.Type) {
		if err := r.head(rows, k); err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return nil
}

// take cuts n bytes and their padding off. The padding and the bits behind bit (if > 0) must be zero.
func (r *reader) take(n, pad int) ([]byte, error) {
	if n < 0 || n+pad < 0 || n+pad > len(r.rest) {
		return nil, errShort
	}
	b := r.rest[:n:n]
	if !allZero(r.rest[n : n+pad]) {
		return nil, errors.New("padding is not zero")
	}
	r.rest = r.rest[n+pad:]
	return b, nil
}

func (r *reader) buffer(n int) ([]byte, error) { return r.take(n, pad8(n)-n) }

// bitmap reads n bits.
func (r *reader) bitmap(n int) ([]byte, error) {
	b, err := r.buffer((n + 7) / 8)
	if err == nil && n%8 != 0 && b[len(b)-1]>>(n%8) != 0 {
		return nil, errors.New("bits behind the end are not zero")
	}
	return b, err
}

func (r *reader) next() int {
	n := r.nums[0]
	r.nums = r.nums[1:]
	return int(n)
}

// column reads a column's buffers, depth first.
func (r *reader) column(rows int, f arrow.Field) (*array.Data, error) {
	nulls := r.next()
	var valid []byte
	var err error
	if nulls > 0 {
		if valid, err = r.bitmap(rows); err != nil {
			return nil, err
		}
		if bitutil.CountSetBits(valid, 0, rows) != rows-nulls {
			return nil, fmt.Errorf("null bitmap does not hold %d nulls", nulls)
		}
	}
	s, width := shapeOf(f.Type)
	var b []byte
	switch s {
	case bits:
		if b, err = r.bitmap(rows); err != nil {
			return nil, err
		}
		return newData(f.Type, rows, nulls, nil, valid, b), nil
	case fixed:
		if rows > len(r.rest)/width {
			return nil, errShort
		}
		if b, err = r.buffer(rows * width); err != nil {
			return nil, err
		}
		return newData(f.Type, rows, nulls, nil, valid, b), nil
	case text, list:
		return r.offsets(rows, nulls, valid, f, s)
	}
	kids := make([]arrow.ArrayData, len(fieldsOf(f.Type)))
	for i, k := range fieldsOf(f.Type) {
		if kids[i], err = r.column(rows, k); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return newData(f.Type, rows, nulls, kids, valid), nil
}

// offsets reads a column that has them.
func (r *reader) offsets(rows, nulls int, valid []byte, f arrow.Field, s shape) (*array.Data, error) {
	size := r.next()
	if rows > len(r.rest)/4 {
		return nil, errShort
	}
	offs := zeros[:4:4] // readers of an empty column may want its first offset
	if rows > 0 {
		var err error
		if offs, err = r.buffer(4 * (rows + 1)); err != nil {
			return nil, err
		}
		in := As[int32](offs)
		fell, last := in[0] != 0, int32(0)
		for _, o := range in {
			fell = fell || o < last
			last = o
		}
		if fell || int(last) != size {
			return nil, fmt.Errorf("offsets fall, or do not end at %d", size)
		}
	} else if size != 0 {
		return nil, fmt.Errorf("%d values for no rows", size)
	}
	if s == text {
		b, err := r.buffer(size)
		if err != nil {
			return nil, err
		}
		return newData(f.Type, rows, nulls, nil, valid, offs, b), nil
	}
	k := fieldsOf(f.Type)[0]
	kid, err := r.column(size, k)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Name, err)
	}
	return newData(f.Type, rows, nulls, []arrow.ArrayData{kid}, valid, offs), nil
}
