package dstream

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
)

// Apply sends the rows through an operator that is compiled into the program, of kind map, which config configures: record batch by record batch, in order. The operator is
// given the columns that it declares to read; those that it keeps do not pass through it.
//
// A task's rows are put together to record batches of up to 8,192 before the operator is called, and which record one came from is not known behind it: rows that
// are set aside there have no offset. A panic of the operator, as of any function of a job, and an error that it returns fail the task, which is tried again.
func (f Frame) Apply(op plugins.Operator, config ...[]byte) Frame {
	o, err := compiledIn(op, config)
	out, _ := f.through(rdd.Caller(), "apply", o, err)
	return out
}

// Via is Apply for an operator of a plugin that runs in processes of its own. They are started when the job is built, in each process of the job, and again when they
// have died: the task that was at work is tried again.
func (f Frame) Via(ref plugins.Ref) Frame {
	o, err := inProcess(ref)
	out, _ := f.through(rdd.Caller(), "via", o, err)
	return out
}

// Apply is Frame().Apply(op, config…).As[U]().
func (s Stream[T]) Apply[U any](op plugins.Operator, config ...[]byte) Stream[U] {
	o, err := compiledIn(op, config)
	return typed[U](s.Frame(), rdd.Caller(), "apply", o, err)
}

// Via is Frame().Via(ref).As[U]().
func (s Stream[T]) Via[U any](ref plugins.Ref) Stream[U] {
	o, err := inProcess(ref)
	return typed[U](s.Frame(), rdd.Caller(), "via", o, err)
}

// typed is f through an operator, as values. If that cannot be, they stand for what would have come of it: what is made of them is no further mistake.
func typed[U any](f Frame, at rdd.Site, op string, o offer, err error) Stream[U] {
	if out, ok := f.through(at, op, o, err); ok {
		return out.As[U]()
	}
	n := f.job.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: op, In: []*rdd.Node{f.node()}, Val: rdd.CodecOf[U](f.job.b, at)})
	return Stream[U]{f.job, rdd.Of[U](f.job.b, n)}
}

func (f Frame) through(at rdd.Site, op string, o offer, err error) (out Frame, ok bool) {
	out = f
	out.f, ok = through(f.f, at, op, o, err)
	return out, ok
}

// through is f through an operator of kind map, or what stands for it where that is a mistake.
func through(f rdd.Frame, at rdd.Site, op string, o offer, err error) (out rdd.Frame, ok bool) {
	var m *ops.RecordMap
	follows := false
	if err == nil {
		m, err = mapping(o, f.Schema())
		follows = f.Doubted() // there may be columns that the operator misses
	}
	if err != nil {
		if !follows {
			refused(f.Builder(), at, op, o, err)
		}
		return f.Unknown(at, op), false
	}
	return f.Records(at, op, o.facts(), m), true
}

// ApplyTo is Frame.Apply for the rows of one batch, in Transform and ForeachBatch, and for batch programs.
func ApplyTo(f rdd.Frame, op plugins.Operator, config ...[]byte) rdd.Frame {
	o, err := compiledIn(op, config)
	f, _ = through(f, rdd.Caller(), "apply", o, err)
	return f
}

// ViaTo is Frame.Via for the rows of one batch, as ApplyTo is Frame.Apply.
func ViaTo(f rdd.Frame, ref plugins.Ref) rdd.Frame {
	o, err := inProcess(ref)
	f, _ = through(f, rdd.Caller(), "via", o, err)
	return f
}

// mapping is an operator of kind map for rows of a schema.
func mapping(o offer, in *arrow.Schema) (*ops.RecordMap, error) {
	if err := o.of("map"); err != nil {
		return nil, err
	}
	first, err := o.op.Map(o.config)
	if err != nil {
		return nil, err
	}
	d, err := first.Declare(in)
	if err != nil {
		return nil, err
	}
	m := &ops.RecordMap{Fails: o.fails, In: in, Reads: d.Reads, Keeps: d.Keeps}
	if m.Reads == nil {
		for i := range in.Fields() {
			m.Reads = append(m.Reads, i)
		}
	}
	out, err := rowsOf("output", d.Output)
	if err != nil {
		return nil, err
	}
	if m.Out = out.Schema(); m.Keeps == nil {
		for range d.Output.Fields() {
			m.Keeps = append(m.Keeps, -1)
		}
	}
	if err := checkDeclared(m); err != nil {
		return nil, err
	}
	all := &instances[plugins.Map]{idle: []plugins.Map{first}, make: func() (plugins.Map, error) { return another(o, in, d) }}
	m.Take = func() (ops.Mapper, error) {
		v, err := all.take()
		if p, ok := v.(plugins.Pipelined); ok && err == nil {
			return mappers{mapper{p}, p}, nil
		}
		return mapper{v}, err
	}
	m.Give = func(v ops.Mapper, sound bool) error {
		if p, ok := v.(mappers); ok {
			return all.give(p.p, sound)
		}
		return all.give(v.(mapper).m, sound)
	}
	return m, nil
}

// another instance of an operator has to declare what the first one did.
func another(o offer, in *arrow.Schema, d plugins.Declaration) (plugins.Map, error) {
	m, err := o.op.Map(o.config)
	if err != nil {
		return nil, err
	}
	again, err := m.Declare(in)
	if err != nil {
		return nil, fmt.Errorf("declared again: %w", err)
	}
	if again.Output == nil || !again.Output.Equal(d.Output) || !reflect.DeepEqual(again.Reads, d.Reads) || !reflect.DeepEqual(again.Keeps, d.Keeps) {
		return nil, errors.New("it declares something else than when the job was built; a declaration depends on its arguments alone")
	}
	return m, nil
}

// checkDeclared refuses columns that are not there, or not what they are said to be.
func checkDeclared(m *ops.RecordMap) error {
	for i, c := range m.Reads {
		if c < 0 || c >= m.In.NumFields() || i > 0 && c <= m.Reads[i-1] {
			return fmt.Errorf("it declares to read columns %v; give numbers of the input's %d columns, ascending", m.Reads, m.In.NumFields())
		}
	}
	if len(m.Keeps) != m.Out.NumFields() {
		return fmt.Errorf("it declares of %d columns whether they are kept, and its output has %d", len(m.Keeps), m.Out.NumFields())
	}
	for i, c := range m.Keeps {
		if c < 0 {
			continue
		}
		if c >= m.In.NumFields() {
			return fmt.Errorf("it declares to keep column %d, and the input has %d columns", c, m.In.NumFields())
		}
		from, to := m.In.Field(c), m.Out.Field(i)
		if !arrow.TypeEqual(from.Type, to.Type) || from.Nullable && !to.Nullable {
			return fmt.Errorf("it declares column %q, %s, to be column %q of the input, which is %s", to.Name, typeOf(to), from.Name, typeOf(from))
		}
	}
	return nil
}

func typeOf(f arrow.Field) string {
	if f.Nullable {
		return f.Type.String() + " or null"
	}
	return f.Type.String()
}

// mapper calls a plugins.Map as the engine's operators are called.
type mapper struct{ m plugins.Map }

// Process implements ops.Mapper.
func (m mapper) Process(ctx *rdd.Context, in arrow.Record) (ops.Mapped, error) {
	r, err := m.m.Process(ctx.Waits(), batchOf(ctx), in)
	return ops.Mapped(r), err
}

// mappers is mapper for plugins that have several record batches at work.
type mappers struct {
	mapper
	p plugins.Pipelined
}

// Window implements ops.Mappers.
func (m mappers) Window() int { return m.p.Window() }

// Send implements ops.Mappers.
func (m mappers) Send(ctx *rdd.Context, in arrow.Record) error {
	return m.p.Send(ctx.Waits(), batchOf(ctx), in)
}

// Receive implements ops.Mappers.
func (m mappers) Receive(ctx *rdd.Context) (ops.Mapped, error) {
	r, err := m.p.Receive(ctx.Waits())
	return ops.Mapped(r), err
}
