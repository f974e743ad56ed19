package dstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/source"
)

// Source reads from an operator that is compiled into the program, of kind source, which config configures. Its columns must be those of T: same names, types and order; a
// nullable column needs a field that may be nil. The source's name is the operator's.
//
// A partition gives the same rows from an offset on, whenever and by whomever it is read: nothing is kept beside the offsets. A row that is set aside is known
// by its offset; a dead letter has no value of it.
func Source[T any](op plugins.Operator, config ...[]byte) source.Source[T] {
	o, err := compiledIn(op, config)
	return pluginSource[T](o, err)
}

// SourceVia is Source for an operator of a plugin that runs in processes of its own: one of the driver's and of each executor, started when the job is built.
func SourceVia[T any](ref plugins.Ref) source.Source[T] {
	o, err := inProcess(ref)
	return pluginSource[T](o, err)
}

func pluginSource[T any](o offer, err error) source.Source[T] {
	spec := &source.Spec{Name: o.op.Name, Kind: "plugin", Text: "plugin: " + o.facts(), Bound: toTheEnd}
	var schema *arrow.Schema
	if err == nil {
		schema, err = rowsOfSource[T](o)
	}
	if err != nil {
		spec.Name, spec.Err = sourceName(o), err
	}
	codec, _ := row.Of(reflect.TypeFor[T]())
	spec.Open = func(context.Context, source.Env) (source.Connector, error) {
		s, err := o.op.Source(o.config)
		if err != nil {
			return nil, o.failed(err, "")
		}
		c := &sourceConnector{offer: o, s: s, schema: schema, as: codec.Schema()}
		if again, err := s.Schema(); err != nil || again == nil || !again.Equal(schema) {
			return nil, errors.Join(c.failed(errors.Join(err, errors.New("its columns are not those that the job was built for")), ""), c.Close())
		}
		return c, nil
	}
	return source.Batches[T](spec)
}

// sourceName is the name of a source or sink that is a mistake.
func sourceName(o offer) string {
	if o.op.Name == "" {
		return "plugin"
	}
	return o.op.Name
}

// rowsOfSource is the schema of an operator of kind source whose rows are of type T.
func rowsOfSource[T any](o offer) (*arrow.Schema, error) {
	if err := o.of("source"); err != nil {
		return nil, err
	}
	s, err := o.op.Source(o.config)
	if err != nil {
		return nil, err
	}
	if c, ok := s.(io.Closer); ok {
		defer c.Close() // it has read nothing
	}
	schema, err := s.Schema()
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf("rows", schema)
	if err != nil {
		return nil, err
	}
	val, err := row.Of(reflect.TypeFor[T]())
	if err != nil {
		return schema, nil // From reports it
	}
	if err := ops.SameColumns(rows.Schema(), val); err != nil {
		return nil, fmt.Errorf("its rows are not %s: %w", val.Type(), err)
	}
	return schema, nil
}

// toTheEnd lets batch programs read partitions whose end is not known until there is no more.
func toTheEnd(parts []source.Partition) ([]source.Partition, error) {
	for i := range parts {
		if parts[i].End < 0 {
			parts[i].End = math.MaxInt64
		}
	}
	return parts, nil
}

// sourceConnector reads a plugins.Source.
type sourceConnector struct {
	offer
	s      plugins.Source
	schema *arrow.Schema // as it declares
	as     *arrow.Schema // as rows have it
	close  sync.Once
}

// Partitions implements source.Connector.
func (c *sourceConnector) Partitions(ctx context.Context) ([]source.Partition, error) {
	list, err := c.s.Partitions(ctx)
	if err != nil {
		return nil, c.failed(err, "partitions")
	}
	out := make([]source.Partition, len(list))
	for i, p := range list {
		if p.Start < 0 || p.End >= 0 && p.End < p.Start {
			return nil, c.failed(fmt.Errorf("it begins at offset %d and ends at %d", p.Start, p.End), "partition %q", p.Key)
		}
		out[i] = source.Partition{Key: p.Key, Meta: p.Meta, Start: p.Start, End: p.End}
	}
	return out, nil
}

// Reader implements source.Connector. A partition that ends before the offset was made anew or cut.
func (c *sourceConnector) Reader(ctx context.Context, p source.Partition, from int64) (source.Reader, error) {
	list, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	r := &sourceReader{c: c, p: plugins.Partition{Key: p.Key, Meta: p.Meta, Start: p.Start, End: p.End}, next: from, end: -1}
	for _, now := range list {
		if now.Key == p.Key {
			r.end = now.End
		}
	}
	if r.end >= 0 && from > r.end {
		return nil, c.failed(fmt.Errorf("offset %d, and the end is %d: %w", from, r.end, source.ErrBeyondEnd), "partition %q", p.Key)
	}
	return r, nil
}

// Close implements source.Connector.
func (c *sourceConnector) Close() (err error) {
	c.close.Do(func() {
		if closer, ok := c.s.(io.Closer); ok {
			err = closer.Close()
		}
	})
	return err
}

// sourceReader reads one partition.
type sourceReader struct {
	c    *sourceConnector
	p    plugins.Partition
	next int64
	end  int64
}

// readBytes is about how much is asked for at a time.
const readBytes = 1 << 20

// Next implements source.Reader.
func (r *sourceReader) Next(ctx context.Context) (*records.Block, error) {
	rows, err := r.c.s.Read(ctx, r.p, r.next, readBytes)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err == nil:
		err = r.check(rows)
	}
	if err != nil {
		return nil, r.c.failed(err, "partition %q from offset %d on", r.p.Key, r.next)
	}
	first := r.next
	r.next, r.end = rows.Next, rows.End
	if len(rows.Offsets) == 0 {
		return source.BatchBlock(nil, nil, first, rows.Next), nil
	}
	rec := array.NewRecord(r.c.as, ops.AsRows(rows.Rec).Columns(), rows.Rec.NumRows())
	return source.BatchBlock(rec, rows.Offsets, first, rows.Next), nil
}

// check refuses rows that are not those that were asked for.
func (r *sourceReader) check(rows plugins.Fetched) error {
	if rows.Next <= r.next {
		return fmt.Errorf("it gives the offsets up to %d, which is no step ahead", rows.Next)
	}
	n := 0
	if rows.Rec != nil {
		n = int(rows.Rec.NumRows())
	}
	if len(rows.Offsets) != n {
		return fmt.Errorf("it gives %d rows and %d offsets", n, len(rows.Offsets))
	}
	last := r.next - 1
	for i, at := range rows.Offsets {
		if at <= last || at >= rows.Next {
			return fmt.Errorf("row %d has offset %d behind %d, and the rows are said to end before %d", i, at, last, rows.Next)
		}
		last = at
	}
	if n == 0 {
		return nil
	}
	return ops.CheckRows(rows.Rec, r.c.schema, n)
}

// End implements source.Reader.
func (r *sourceReader) End() int64 { return r.end }

// Close implements source.Reader.
func (r *sourceReader) Close() error { return nil }
