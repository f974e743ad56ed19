package dstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/rdd"
)

// resolve starts the process behind a reference, or finds it running. Its operators are called as those that are compiled in.
var resolve = func(ctx context.Context, ref plugins.Ref) (plugins.Plugin, plugins.Operator, error) {
	return host.Default().Resolve(ctx, ref)
}

// offer is an operator of a plugin on its way into a job, with what configures it there.
type offer struct {
	op     plugins.Operator
	plugin plugins.Plugin // that of a process; without a name where the operator is compiled in
	config []byte
}

// compiledIn is an operator that is part of the program.
func compiledIn(op plugins.Operator, config [][]byte) (offer, error) {
	o := offer{op: op}
	if len(config) > 1 {
		return o, fmt.Errorf("%d configurations; give one, or none", len(config))
	}
	for _, c := range config {
		o.config = c
	}
	if op.Kind() == "" {
		return o, errors.New("set exactly one of Map, Scalar, Aggregate, Keyed, Source and Sink")
	}
	if op.Name == "" {
		return o, errors.New("the operator has no name; the plan knows it by that")
	}
	return o, nil
}

// inProcess is an operator that a process offers.
func inProcess(ref plugins.Ref) (offer, error) {
	plugin, op, err := resolve(context.Background(), ref)
	if err != nil {
		return offer{}, err
	}
	o, err := compiledIn(op, [][]byte{ref.Config})
	o.plugin = plugin
	return o, err
}

// String names the operator in messages.
func (o offer) String() string {
	if o.plugin.Name == "" {
		return fmt.Sprintf("operator %q", o.op.Name)
	}
	return fmt.Sprintf("plugin %s %s, operator %q", o.plugin.Name, o.plugin.Version, o.op.Name)
}

// facts say in the plan what is computed (P1). Paths and settings decide nothing about that. What is compiled in has no version of its own: it is the program's code.
func (o offer) facts() string {
	text := o.op.Name
	if o.plugin.Name != "" {
		text += fmt.Sprintf(" of plugin %s %s", o.plugin.Name, o.plugin.Version)
	}
	if len(o.config) > 0 {
		text += fmt.Sprintf(", config sha256:%x", sha256.Sum256(o.config))
	}
	return text
}

// places say where operators of each kind are used.
var places = map[string]string{
	"map":       "Frame.Apply or Frame.Via",
	"scalar":    "dstream.Func or dstream.FuncVia, in expressions",
	"aggregate": "GroupBy(…).Apply or GroupBy(…).Via",
	"keyed":     "GroupBy(…).Running(…).Apply or .Via",
	"source":    "dstream.Source or dstream.SourceVia",
	"sink":      "dstream.Sink or dstream.SinkVia",
}

// of is an error if the operator is of another kind than the one that is wanted.
func (o offer) of(kind string) error {
	if got := o.op.Kind(); got != kind {
		return fmt.Errorf("it is of kind %s; use it with %s", got, places[got])
	}
	return nil
}

// refused reports what an operator, or its process, has against its place in the job.
func refused(b *rdd.Builder, at rdd.Site, op string, o offer, err error) {
	if o.op.Name == "" || o.named(err) {
		b.Mistakef(at, "%s: %v", op, err)
		return
	}
	b.Mistakef(at, "%s: %s: %v", op, o, err)
}

// named tells whether an error says itself which operator it is about: those of processes do.
func (o offer) named(err error) bool { return errors.As(err, new(*host.Error)) }

// failed is err with the operator and what it was doing.
func (o offer) failed(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	switch {
	case o.named(err) && doing == "":
		return err
	case o.named(err):
		return fmt.Errorf("%s: %w", doing, err)
	case doing == "":
		return fmt.Errorf("%s: %w", o, err)
	}
	return fmt.Errorf("%s, %s: %w", o, doing, err)
}

func (o offer) fails(err error, doing string) error { return o.failed(err, "%s", doing) }

// instances are those of an operator that nobody uses at the moment. Each is used by one goroutine at a time, and made when all others are in use: there are at
// most as many as tasks run at once.
type instances[T any] struct {
	make func() (T, error)
	mu   sync.Mutex // guards idle
	idle []T
}

// take is an instance to be given back.
func (p *instances[T]) take() (T, error) {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		return p.make()
	}
	v := p.idle[n-1]
	p.idle = p.idle[:n-1]
	p.mu.Unlock()
	return v, nil
}

// give takes an instance back. One that has failed, or panicked, is not used again, and neither is one that was closed; closing a Pipelined gives up what is out, and no more.
func (p *instances[T]) give(v T, sound bool) error {
	_, pipelined := any(v).(plugins.Pipelined)
	c, closes := any(v).(io.Closer)
	var err error
	if closes {
		err = c.Close()
	}
	if err == nil && (pipelined || sound && !closes) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, v)
	}
	return err
}

// with calls f with an instance.
func (p *instances[T]) with(f func(T) error) (err error) {
	v, err := p.take()
	if err != nil {
		return err
	}
	sound := false
	defer func() {
		if closed := p.give(v, sound); err == nil {
			err = closed
		}
	}()
	err = f(v)
	sound = err == nil
	return err
}

// batchOf is what an operator is told of its task.
func batchOf(ctx *rdd.Context) plugins.Batch {
	return plugins.Batch{Number: ctx.Batch, Time: ctx.Time, Partition: ctx.Partition, Final: ctx.Final}
}

// rowsOf is the codec of rows that an operator declares; what names their place.
func rowsOf(what string, s *arrow.Schema) (*row.Codec, error) {
	if s == nil {
		return nil, fmt.Errorf("it declares no %s", what)
	}
	c, err := row.OfSchema(s)
	if err != nil {
		return nil, fmt.Errorf("its %s: %w", what, err)
	}
	for i, f := range s.Fields() {
		if has := c.Schema().Field(i).Type; !arrow.TypeEqual(has, f.Type) {
			return nil, fmt.Errorf("its %s: column %q is %s, which no row has; let it be %s", what, f.Name, f.Type, has)
		}
	}
	return c, nil
}
