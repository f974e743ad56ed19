package dstreamtest

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// feed is an input of a case: what each batch brings. Rows are kept as columns, so that each task that reads them gets rows of its own.
type feed struct {
	name  string
	sizes []int // rows of each batch
	rows  any   // of all batches
	codec *row.Codec
}

// newFeed takes the rows of all batches. A type that cannot be a row is an error, in the words in which a job would say it.
func newFeed[T any](name string, batches [][]T) (*feed, error) {
	f := &feed{name: name}
	all := []T{}
	for _, rows := range batches {
		f.sizes = append(f.sizes, len(rows))
		all = append(all, rows...)
	}
	var err error
	if f.codec, err = row.Of(reflect.TypeFor[T]()); err != nil {
		return nil, err
	}
	f.rows, err = f.codec.Rows(f.codec.Columns(all, nil), nil)
	return f, err
}

// dealt is a feed over a number of partitions: the rows of each batch are dealt to them in turn, as cards are.
type dealt struct {
	*feed
	cols  [][]arrow.Array // by partition
	ends  [][]int64       // by batch and partition: the offset behind its last row
	block int             // records a block, 0: all that there are
}

// deal is the feed over that many partitions, in blocks of that size, or larger where a batch has thousands of rows.
func (f *feed) deal(partitions, block int) *dealt {
	d := &dealt{feed: f}
	idx := make([][]int32, partitions)
	d.block = f.blockOf(block)
	at := int32(0)
	for _, n := range f.sizes {
		for i := range n {
			idx[i%partitions] = append(idx[i%partitions], at)
			at++
		}
		ends := make([]int64, partitions)
		for p := range ends {
			ends[p] = int64(len(idx[p]))
		}
		d.ends = append(d.ends, ends)
	}
	for _, rows := range idx {
		d.cols = append(d.cols, f.codec.Columns(f.rows, append([]int32{}, rows...)))
	}
	return d
}

// mostBlocks is how many blocks a batch is cut into at most: a large case is not to take minutes.
const mostBlocks = 500

// blockOf is a size of blocks, as far as the feed's batches are not too large for it. 0 is any size.
func (f *feed) blockOf(n int) int {
	if n == 0 {
		return 0
	}
	return max(n, slices.Max(append(f.sizes, 0))/mostBlocks)
}

// source is the feed as a source of any process.
func (d *dealt) source() *source.Spec {
	return &source.Spec{
		Name: d.name, Kind: "memory", Text: "memory " + d.name,
		Decoder: func() rdd.Decoder { return d },
		Open:    func(context.Context, source.Env) (source.Connector, error) { return d, nil },
	}
}

// records are [from, until) of a partition. A record's value names the partition, for the decoder.
func (d *dealt) records(partition int, from, until int64) *records.Block {
	b := &records.Block{First: from, Next: until, Data: make([]byte, 0, 8+records.Padding)}
	b.Data = strconv.AppendInt(b.Data, int64(partition), 10)
	for range until - from {
		b.Values = append(b.Values, records.Span{Len: uint32(len(b.Data))})
	}
	return b
}

// batch is what batch i (from 0) brings, for a Runner.
func (d *dealt) batch(i int) []Rows {
	var all []Rows
	for p := range d.cols {
		from, until := int64(0), d.ends[i][p]
		if i > 0 {
			from = d.ends[i-1][p]
		}
		if from < until {
			all = append(all, Rows{source: d.name, partition: p, block: d.records(p, from, until)})
		}
	}
	return all
}

// until are the offsets up to which the partitions are read in batch i (from 0), for a driver.
func (d *dealt) until(i int) map[string]int64 {
	m := map[string]int64{}
	for p, end := range d.ends[i] {
		m[strconv.Itoa(p)] = end
	}
	return m
}

// Decode implements rdd.Decoder: the rows are made from columns anew each time.
func (d *dealt) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	if lo == hi {
		return rdd.Chunk{Vals: d.codec.Make(0)}, nil, nil
	}
	p, err := strconv.Atoi(string(b.Value(lo)))
	check(err)
	cols := make([]arrow.Array, len(d.cols[p]))
	for i, c := range d.cols[p] {
		cols[i] = array.NewSlice(c, b.Offset(lo), b.Offset(lo)+int64(hi-lo))
	}
	rows, err := d.codec.Rows(cols, nil)
	check(err)
	return rdd.Chunk{N: hi - lo, Vals: rows}, nil, nil
}

// ended tells whether all of a partition is read before batch i (from 0), which its driver knows then.
func (d *dealt) ended(i, partition int) bool {
	return d.end(partition) == 0 || i > 0 && d.ends[i-1][partition] == d.end(partition)
}

// end is the offset behind the last record of a partition.
func (d *dealt) end(partition int) int64 {
	if len(d.ends) == 0 {
		return 0
	}
	return d.ends[len(d.ends)-1][partition]
}

// Partitions implements source.Connector.
func (d *dealt) Partitions(context.Context) ([]source.Partition, error) {
	var out []source.Partition
	for p := range d.cols {
		out = append(out, source.Partition{Key: strconv.Itoa(p), End: d.end(p), Complete: true})
	}
	return out, nil
}

// Reader implements source.Connector.
func (d *dealt) Reader(_ context.Context, p source.Partition, from int64) (source.Reader, error) {
	n, err := strconv.Atoi(p.Key)
	if err != nil || n >= len(d.cols) {
		return nil, fmt.Errorf("there is no partition %q", p.Key)
	}
	return &dealtReader{d, n, from}, nil
}

// Close implements source.Connector.
func (d *dealt) Close() error { return nil }

// dealtReader reads one partition.
type dealtReader struct {
	d    *dealt
	part int
	next int64
}

// Next implements source.Reader.
func (r *dealtReader) Next(context.Context) (*records.Block, error) {
	end := r.End()
	if r.next >= end {
		return nil, io.EOF
	}
	if r.d.block > 0 {
		end = min(end, r.next+int64(r.d.block))
	}
	b := r.d.records(r.part, r.next, end)
	r.next = end
	return b, nil
}

// End implements source.Reader.
func (r *dealtReader) End() int64 { return r.d.end(r.part) }

// Close implements source.Reader.
func (r *dealtReader) Close() error { return nil }
