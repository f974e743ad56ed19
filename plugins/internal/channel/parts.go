package channel

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// encodeIPC are record batches as parts of a portable channel's message.
func encodeIPC(recs []arrow.Record) ([]*wire.Part, error) {
	parts := make([]*wire.Part, len(recs))
	for i, rec := range recs {
		if rec == nil {
			parts[i] = absent
			continue
		}
		var b bytes.Buffer
		w := ipc.NewWriter(&b, ipc.WithSchema(rec.Schema()))
		if err := w.Write(rec); err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		parts[i] = &wire.Part{Data: &wire.Part_Ipc{Ipc: b.Bytes()}}
	}
	return parts, nil
}

var absent = &wire.Part{Data: &wire.Part_Absent{Absent: true}}

// decode are the record batches of parts, of the given schemas. at finds the bytes of places; nil: there are none. Bytes from outside never panic.
func decode(parts []*wire.Part, schemas []*arrow.Schema, at func(*wire.Place) ([]byte, error)) ([]arrow.Record, error) {
	recs := make([]arrow.Record, len(parts))
	for i, p := range parts {
		if _, ok := p.GetData().(*wire.Part_Absent); ok {
			continue
		}
		schema := schemas[min(i, len(schemas)-1)]
		var err error
		switch d := p.GetData().(type) {
		case *wire.Part_Ipc:
			recs[i], err = decodeIPC(d.Ipc, schema)
		case *wire.Part_Raw:
			recs[i], err = batch.Unmarshal(schema, d.Raw)
		case *wire.Part_Place:
			var b []byte
			if at == nil {
				err = fmt.Errorf("a place, and there is no memory")
			} else if b, err = at(d.Place); err == nil {
				recs[i], err = batch.Unmarshal(schema, b)
			}
		default:
			err = fmt.Errorf("no data")
		}
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i, len(parts), err)
		}
	}
	return recs, nil
}

func decodeIPC(b []byte, schema *arrow.Schema) (rec arrow.Record, err error) {
	defer func() {
		if v := recover(); v != nil {
			rec, err = nil, fmt.Errorf("stream of %d bytes cannot be read: %v", len(b), v)
		}
	}()
	if err := wire.CheckStream(b); err != nil {
		return nil, fmt.Errorf("stream of %d bytes: %w", len(b), err)
	}
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("stream of %d bytes: %w", len(b), err)
	}
	defer r.Release()
	for i, f := range r.Schema().Fields() {
		if i < schema.NumFields() && f.Name != schema.Field(i).Name {
			return nil, fmt.Errorf("column %d is %q, want %q", i, f.Name, schema.Field(i).Name)
		}
	}
	if !r.Next() {
		return nil, fmt.Errorf("stream of %d bytes without a record batch: %v", len(b), r.Err())
	}
	got := r.Record()
	if err := batch.CheckRecord(got, schema); err != nil {
		return nil, err
	}
	got.Retain()
	return renamed(got, schema)
}

// renamed is rec under the schema that is wanted, whose columns it has but for metadata, and the names of fields of nested ones.
func renamed(rec arrow.Record, schema *arrow.Schema) (arrow.Record, error) {
	out := array.NewRecord(schema, rec.Columns(), rec.NumRows())
	for _, f := range schema.Fields() {
		if _, nested := f.Type.(arrow.NestedType); nested {
			return batch.Unmarshal(schema, bytes.Join(batch.Marshal(out, nil), nil))
		}
	}
	return out, nil
}
