package dstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// MaxPinned is how many bytes of columns a pinned data set may have: it travels to each executor when that joins, and stays in its memory.
const MaxPinned = 256 << 20

// Pinned is rows that are the same in every batch and on every executor, see Pin.
type Pinned[T any] struct {
	name, facts string
	at          rdd.Site
	rows        []T
}

// Rows are the pinned rows, for functions of the job. Callers must not change them.
func (p *Pinned[T]) Rows() []T { return p.rows }

// RDD is the rows in a batch, for functions given to Transform: in order, in equal parts a partition.
func (p *Pinned[T]) RDD() rdd.RDD[T] { return rdd.Pinned(p.at, p.name, p.facts, p.rows) }

// Pin computes bounded data once, when the job begins, on the driver, and keeps the rows for all batches: they travel to every executor, and their hash is part of
// the plan, as that of a Value is (P21). A driver that starts again computes them again; other rows make another program (P1). It is the way for
// files and ranges of logs into Transform:
//
//	airports := dstream.Pin(job, "airports", source.Read(source.FilesCSV[Airport]("airports")))
//	flights.Transform(func(_ dstream.BatchInfo, r rdd.RDD[Flight]) rdd.RDD[Named] {
//		return r.KeyBy(origin).Join(airports.RDD().KeyBy(code), name).Values()
//	})
//
// Each batch that uses RDD moves the rows as any others, so it costs their size a batch. For look-ups in a function take Rows or a Value; what is large or changes
// is a table (Latest). At most MaxPinned bytes.
func Pin[T any](job *Job, name string, r rdd.RDD[T]) *Pinned[T] {
	at := rdd.Caller()
	if r.Node() == nil || r.Builder().Job {
		job.mistakef(at, "Pin takes data that is read without a job, and %q is none; give a stream to TransformWith instead", name)
		return &Pinned[T]{}
	}
	return pin(job, at, name, func() (rows []T, err error) {
		compute := job.options.Compute
		if compute == nil {
			compute = func(f func(context.Context) error) error { return f(context.Background()) }
		}
		err = compute(func(ctx context.Context) error {
			rows, err = r.Collect(ctx)
			return err
		})
		return rows, err
	})
}

// PinRows is Pin for rows that f gives: it is called once, on the driver, while the job is built.
func PinRows[T any](job *Job, name string, f func() []T) *Pinned[T] {
	at := rdd.Caller()
	if f == nil {
		job.b.Need(at, "PinRows", true)
		return &Pinned[T]{}
	}
	return pin(job, at, name, func() ([]T, error) { return f(), nil })
}

// pin ships what compute gives on the driver.
func pin[T any](job *Job, at rdd.Site, name string, compute func() ([]T, error)) *Pinned[T] {
	p := &Pinned[T]{name: name, at: at}
	if name == "" {
		job.mistakef(at, "a pinned data set needs a name")
	}
	val := rdd.CodecOf[T](job.b, at)
	if job.hasValue(at, name) || val == nil || name == "" {
		return p
	}
	data, err := job.valueBytes(name, func() ([]byte, error) {
		rows, err := compute()
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return marshal(val, ops.Normal(val, slices.Clone(rows)))
	})
	if err == nil {
		p.rows, err = unmarshal[T](val, data) // on the driver too: everybody sees what travels
	}
	if err != nil {
		job.mistakef(at, "pinned data set %q: %v", name, err)
		return p
	}
	v := rdd.Value{Name: name, Hash: sha256.Sum256(data), Data: data}
	p.facts = fmt.Sprintf("%d rows, sha256:%x", len(p.rows), v.Hash)
	job.shared.Values = append(job.shared.Values, v)
	return p
}

// marshal is rows as bytes. Equal rows give equal bytes.
func marshal[T any](val *row.Codec, rows []T) ([]byte, error) {
	rec := array.NewRecord(val.Schema(), val.Columns(rows, nil), int64(len(rows)))
	if n := batch.Bytes(rec); n > MaxPinned {
		return nil, fmt.Errorf("it has %d bytes, and %d is the limit; keep it as a table (Latest), or pin only the columns that are needed", n, MaxPinned)
	}
	return bytes.Join(batch.Marshal(rec, nil), nil), nil
}

// unmarshal reads what marshal wrote; no bytes are no rows.
func unmarshal[T any](val *row.Codec, data []byte) ([]T, error) {
	if len(data) == 0 {
		return nil, nil
	}
	rec, err := batch.Unmarshal(val.Schema(), data)
	if err != nil {
		return nil, err
	}
	return ops.RowsOf[T](val, rec.Columns())
}
