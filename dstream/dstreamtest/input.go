package dstreamtest

import (
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// In is an input of a test: a source whose rows a test gives batch by batch.
type In[T any] struct{ name string }

// Input is an input of that name.
func Input[T any](name string) In[T] { return In[T]{name} }

// Source is the input as a source, for dstream.From.
func (in In[T]) Source() source.Source[T] {
	return source.Of[T](&source.Spec{
		Name: in.name, Kind: "memory", Text: "memory " + in.name, Local: true,
		Decoder: func() rdd.Decoder { return decoder[T]{} },
	})
}

// Part gives rows to a partition of the input, in a batch.
func (in In[T]) Part(partition int, rows ...T) Rows {
	r := Rows{source: in.name, partition: partition}
	for _, row := range rows {
		data, err := cbor.Marshal(row)
		if err != nil {
			panic(err)
		}
		r.values = append(r.values, data)
	}
	return r
}

// Raw gives records as they are to a partition of the input; one that is not CBOR of a T is a bad record.
func (in In[T]) Raw(partition int, values ...[]byte) Rows {
	return Rows{source: in.name, partition: partition, values: values}
}

// Records gives records to a partition of a source of the job, as they would stand in a topic or file: a line of text, or of JSON. The source decodes them.
func Records(source string, partition int, values ...string) Rows {
	r := Rows{source: source, partition: partition}
	for _, v := range values {
		r.values = append(r.values, []byte(v))
	}
	return r
}

// Rows are encoded rows for one source partition.
type Rows struct {
	source    string
	partition int
	values    [][]byte
	keys      []string
	times     []time.Time
	block     *records.Block // in place of values
}

// Keys gives each record its key, for sources that make something of it. One key a record.
func (r Rows) Keys(keys ...string) Rows {
	assert.True(len(keys) == len(r.values), "%d keys for %d records", len(keys), len(r.values))
	r.keys = keys
	return r
}

// Times gives each record its time, for sources that make something of it. One time a record.
func (r Rows) Times(at ...time.Time) Rows {
	assert.True(len(at) == len(r.values), "%d times for %d records", len(at), len(r.values))
	r.times = at
	return r
}

// Block is rows as a block of records with offsets from first on.
func (r Rows) Block(first int64) *records.Block {
	if r.block != nil {
		return r.block
	}
	b := &records.Block{First: first, Next: first + int64(len(r.values))}
	for _, v := range r.values {
		b.Values = append(b.Values, spanOf(b, v))
	}
	for _, k := range r.keys {
		b.Keys = append(b.Keys, spanOf(b, []byte(k)))
	}
	for _, at := range r.times {
		b.Times = append(b.Times, at.UnixMicro())
	}
	b.Data = append(b.Data, make([]byte, records.Padding)...)[:len(b.Data)]
	return b
}

// spanOf puts bytes into a block.
func spanOf(b *records.Block, v []byte) records.Span {
	s := records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))}
	b.Data = append(b.Data, v...)
	return s
}

type decoder[T any] struct{}

// Decode reads CBOR.
func (decoder[T]) Decode(b *records.Block, lo, hi int) (out rdd.Chunk, from []int32, bad []rdd.Bad) {
	rows := make([]T, 0, hi-lo)
	for i := lo; i < hi; i++ {
		var v T
		if err := cbor.Unmarshal(b.Value(i), &v); err != nil {
			bad = append(bad, rdd.Bad{Index: i, Reason: err.Error()})
			continue
		}
		rows, from = append(rows, v), append(from, int32(i))
	}
	return rdd.Chunk{N: len(rows), Vals: rows}, from, bad
}

// Sink is a sink that a Runner collects.
func Sink(name string) sink.Sink { return sink.New(Collect(name)) }

// Collect is Sink as a spec, for dead letters.
func Collect(name string) *sink.Spec {
	return &sink.Spec{Name: name, Kind: "memory", Text: "memory " + name}
}

// At is a batch time: d after 1970.
func At(d time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(d) }

// Empty is n records without content from offset first on, for sources whose rows do not depend on it.
func Empty(source string, partition, first, n int) Rows {
	return Rows{source: source, partition: partition, block: &records.Block{First: int64(first), Next: int64(first + n), Values: make([]records.Span, n)}}
}
