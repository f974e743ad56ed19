package dstream

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/internal/parquetfile"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
	"github.com/millrace/millrace/rdd"
)

// LookupTable is a table that every executor holds whole, for Frame.Lookup: a small file, read by the driver. It is a broadcast: each content of the table is a version, and a
// batch's version is in its plan record.
type LookupTable struct {
	job    *Job
	decl   *rdd.Broadcast
	schema *arrow.Schema
}

// Lookup is a table of the rows that load brings, in the driver's process: when the job starts, and again as the options say (ReloadEvery). See Broadcast
// for when a version is seen, what happens when a load fails, and the limits: 64 MiB. Columns are those of T.
func Lookup[T any](job *Job, name string, load func(ctx context.Context) ([]T, error), opts ...BroadcastOption) LookupTable {
	at := rdd.Caller()
	job.b.Need(at, "Lookup", load == nil)
	codec := rdd.CodecOf[T](job.b, at)
	if codec == nil || load == nil {
		return LookupTable{job: job, schema: rdd.FrameCodec(job.b, at, boolCodec().Schema()).Schema()}
	}
	return job.lookupTable(at, name, codec.Schema(), opts, func(ctx context.Context) (arrow.Record, error) {
		rows, err := load(ctx)
		if err != nil {
			return nil, err
		}
		return array.NewRecord(codec.Schema(), codec.Columns(rows, nil), int64(len(rows))), nil
	})
}

// LookupCSV is a table of a CSV file with a header, whose lines become values of T: columns by the csv tag, else the arrow tag, else the field's name in snake case, in
// any order; others are left out. A line that is no T is an error of the load. With ReloadEvery the file is looked at that often, and read again if its size or time has changed.
func LookupCSV[T any](job *Job, name, file string, opts ...BroadcastOption) LookupTable {
	at := rdd.Caller()
	codec := rdd.CodecOf[T](job.b, at)
	plan, err := decode.CSV(reflect.TypeFor[T](), decode.CSVOptions{})
	if err != nil {
		job.mistakef(at, "LookupCSV: %v", err)
	}
	if codec == nil || err != nil {
		return LookupTable{job: job, schema: rdd.FrameCodec(job.b, at, boolCodec().Schema()).Schema()}
	}
	return job.lookupTable(at, name, codec.Schema(), opts, fileLoad(file, func(data []byte) (arrow.Record, error) {
		rows, err := csvRows[T](plan, data)
		if err != nil {
			return nil, err
		}
		return array.NewRecord(codec.Schema(), codec.Columns(rows, nil), int64(len(rows))), nil
	}))
}

// LookupParquet is a table of a Parquet file whose columns become fields of T: by the arrow tag, else the field's name in snake case, in any order; others are left out. They
// are plain columns, of types that fit: integers of any width that hold each value, timestamps of any unit and dates for times (nanoseconds are cut), float for float64. What does not fit, a column that is
// not there, and a null where T has no pointer, are errors of the load, with file, column, type and row. ReloadEvery is as for LookupCSV.
func LookupParquet[T any](job *Job, name, file string, opts ...BroadcastOption) LookupTable {
	at := rdd.Caller()
	codec := rdd.CodecOf[T](job.b, at)
	if codec == nil {
		return LookupTable{job: job, schema: rdd.FrameCodec(job.b, at, boolCodec().Schema()).Schema()}
	}
	for _, f := range codec.Schema().Fields() {
		switch f.Type.ID() {
		case arrow.STRUCT, arrow.LIST, arrow.MAP:
			job.mistakef(at, "LookupParquet: column %q is %s; only plain columns are read", f.Name, f.Type)
		}
	}
	return job.lookupTable(at, name, codec.Schema(), opts, fileLoad(file, func(data []byte) (arrow.Record, error) {
		return parquetfile.Read(data, codec.Schema())
	}))
}

// LookupText is a table of a CSV file whose columns are all text, under the names of its header. The header is read when the job is built, by the driver; it must
// stay as it is as long as the job runs.
func LookupText(job *Job, name, file string, opts ...BroadcastOption) LookupTable {
	at := rdd.Caller()
	header, err := job.valueBytes("lookup "+name, func() ([]byte, error) { return headerOf(file) })
	if err != nil {
		job.mistakef(at, "LookupText: %v", err)
		return LookupTable{job: job, schema: rdd.FrameCodec(job.b, at, boolCodec().Schema()).Schema()}
	}
	if !job.hasValue(at, "lookup "+name) {
		job.shared.Values = append(job.shared.Values, sharedValue("lookup "+name, header))
	}
	var fields []arrow.Field
	for _, n := range strings.Split(string(header), "\n") {
		fields = append(fields, arrow.Field{Name: n, Type: arrow.BinaryTypes.String})
	}
	schema := rdd.FrameCodec(job.b, at, arrow.NewSchema(fields, nil)).Schema()
	return job.lookupTable(at, name, schema, opts, fileLoad(file, func(data []byte) (arrow.Record, error) { return textRows(schema, data) }))
}

// lookupTable declares a table whose rows come from load.
func (j *Job) lookupTable(at rdd.Site, name string, schema *arrow.Schema, opts []BroadcastOption, load func(context.Context) (arrow.Record, error)) LookupTable {
	b := &rdd.Broadcast{Name: name, Check: func(data []byte) error {
		_, err := join.OpenStatic(schema, data)
		return err
	}}
	b.Load = func(ctx context.Context) ([]byte, error) {
		rec, err := load(ctx)
		if err != nil {
			return nil, fmt.Errorf("load (%s): %w", b.Site, err)
		}
		return bytes.Join(batch.Marshal(rec, nil), nil), nil
	}
	j.declare(at, b, opts)
	return LookupTable{j, b, schema}
}

// Schema is the columns.
func (t LookupTable) Schema() *arrow.Schema { return t.schema }

// fileLoad reads a file, and again only when its size or time has changed.
func fileLoad(path string, parse func(data []byte) (arrow.Record, error)) func(context.Context) (arrow.Record, error) {
	var last arrow.Record
	var size int64
	var at time.Time
	return func(context.Context) (arrow.Record, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if last != nil && info.Size() == size && info.ModTime().Equal(at) {
			return last, nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		rec, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		last, size, at = rec, info.Size(), info.ModTime()
		return rec, nil
	}
}

// csvRows are the lines of a CSV file behind its header.
func csvRows[T any](plan *decode.CSVPlan, data []byte) ([]T, error) {
	padded := append(append(make([]byte, 0, len(data)+records.Padding), data...), make([]byte, records.Padding)...)
	d := plan.Decoder()
	var rows []T
	for at, line := 0, 1; at < len(data); line++ {
		end := len(data)
		if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
			end = at + n
		}
		next := end + 1
		if end > at && data[end-1] == '\r' {
			end--
		}
		switch {
		case line == 1:
			d.Header(data[at:end])
		case end > at:
			var v T
			if !d.Decode(padded, records.Span{Off: uint32(at), Len: uint32(end - at)}, unsafe.Pointer(&v)) {
				return nil, fmt.Errorf("line %d: %s", line, d.Reason())
			}
			rows = append(rows, v)
		}
		at = next
	}
	return rows, nil
}

// headerOf are the names of a CSV file's columns, a line each.
func headerOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	names, err := csv.NewReader(f).Read()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: header: %w", path, err)
	}
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	return []byte(strings.Join(names, "\n")), nil
}

// textRows are the lines of a CSV file as text.
func textRows(schema *arrow.Schema, data []byte) (arrow.Record, error) {
	lines, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))).ReadAll()
	if err != nil {
		return nil, err
	}
	codec, err := row.For[string]()
	if err != nil || len(lines) == 0 {
		return nil, errors.Join(err, errors.New("no header"))
	}
	cols := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		if i >= len(lines[0]) || lines[0][i] != f.Name || len(lines[0]) != schema.NumFields() {
			return nil, fmt.Errorf("the header is not what it was when the job was built: %s", strings.Join(lines[0], ","))
		}
		texts := make([]string, len(lines)-1)
		for n, l := range lines[1:] {
			texts[n] = l[i]
		}
		cols[i] = codec.Columns(texts, nil)[0]
	}
	return array.NewRecord(schema, cols, int64(len(lines)-1)), nil
}

// Lookup joins each row with the rows of a table that have its key, as they are in the version of the table that the batch was planned with: the columns of f, then
// those of the table. Options: On, OnEqual, If, Suffix, and of the kinds InnerJoin, LeftJoin, SemiJoin and AntiJoin. A null matches nothing. No row moves; rows keep
// their order, and the partners of a row come in the order of the table.
func (f Frame) Lookup(t LookupTable, opts ...JoinOption) Frame {
	at, j := rdd.Caller(), f.job
	s := rdd.JoinSettingsOf(opts)
	s.Stateless(j.b, at, "lookup")
	if s.Kind.Lonely(1) {
		j.mistakef(at, "lookup: a %s join would show rows of the table that no row asks for; use LeftJoin", s.Kind)
	}
	l := &join.Lookup{Spec: *s.Spec(j.b, at, "lookup", f.Schema(), t.schema, f.node()), Name: s.KeyText()}
	l.Version = func(ctx *rdd.Context) (*join.Static, error) {
		v, err := task.TaskOf(ctx).Version(t.decl)
		if err != nil {
			return nil, err
		}
		table, err := v.Decoded(func(data []byte) (any, error) { return join.OpenStatic(t.schema, data) })
		if err != nil {
			return nil, err
		}
		return table.(*join.Static), nil
	}
	f = Frame{j, f.f.Accepted(at, l.Sides[0].Keys...)}
	n := j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "lookup", In: []*rdd.Node{f.node()}, Val: rdd.FrameCodec(j.b, at, l.Out), Kernel: l.Kernel})
	s.Doubt(j.b, n)
	n.Cols = &rdd.Columns{Reads: l.Reads, Kernel: l.Fewer, Brief: !l.CallsUsers()}
	if what, err := expr.Bind(f.Schema(), expr.Lit(t.name()+" "+s.Text())); err == nil {
		n.Exprs = append(n.Exprs, what)
	}
	return f.keepTime(Frame{j, rdd.FrameOf(j.b, n)}, l.Spec)
}

func (t LookupTable) name() string {
	if t.decl == nil {
		return ""
	}
	return t.decl.Name
}
