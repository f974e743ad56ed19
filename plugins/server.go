package plugins

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/guess"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// server is the plugin's side of the protocol.
type server struct {
	wire.UnimplementedPluginServer
	plugin Plugin

	mu       sync.Mutex
	declared map[uint32]*declared // by number
}

func newServer(p Plugin) *server { return &server{plugin: p, declared: map[uint32]*declared{}} }

// declared is an operator with its configuration, for rows of given schemas.
type declared struct {
	op     Operator
	config []byte
	in     []*arrow.Schema // as DeclareRequest.schemas
	out    []*arrow.Schema // as DeclareResponse.schemas
	decl   Declaration     // of maps
	keys   int             // of sinks
}

func (s *server) Describe(_ context.Context, req *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	resp := &wire.DescribeResponse{Protocol: wire.Protocol, Name: s.plugin.Name, Version: s.plugin.Version, Sdk: "go 1 (" + runtime.Version() + ")", Concurrent: true}
	resp.Features = []string{wire.Stages}
	if channel.HasMemory {
		resp.Features = append(resp.Features, wire.Memory)
	}
	for _, o := range s.plugin.Operators {
		resp.Offers = append(resp.Offers, &wire.Offer{Name: o.Name, Kind: o.Kind(), Doc: o.Doc})
	}
	return resp, nil
}

func (s *server) Declare(_ context.Context, req *wire.DeclareRequest) (*wire.DeclareResponse, error) {
	d, resp, err := s.declare(req)
	if err != nil {
		return &wire.DeclareResponse{Refusal: err.Error()}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.declared[req.Declaration] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "declaration %d is there", req.Declaration)
	}
	s.declared[req.Declaration] = d
	return resp, nil
}

func (s *server) declare(req *wire.DeclareRequest) (d *declared, resp *wire.DeclareResponse, err error) {
	op, err := s.operator(req.Operator)
	if err != nil {
		return nil, nil, err
	}
	d = &declared{op: op, config: req.Config, keys: int(req.Keys)}
	want := map[string]int{"map": 1, "scalar": 1, "aggregate": 2, "keyed": 2, "source": 0, "sink": 1}[op.Kind()]
	if d.in, err = wire.DecodeSchemas(req.Schemas, want); err != nil {
		return nil, nil, err
	}
	resp = &wire.DeclareResponse{}
	if err := called(func() error { return d.ask(resp) }); err != nil {
		return nil, nil, err
	}
	resp.Schemas, err = wire.EncodeSchemas(d.out...)
	return d, resp, err
}

func (s *server) operator(name string) (Operator, error) {
	var names []string
	for _, o := range s.plugin.Operators {
		if o.Name == name {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return Operator{}, fmt.Errorf("plugin %s has no operator %q%s", s.plugin.Name, name, didYouMean(name, names))
}

// ask has the operator say what it gives.
func (d *declared) ask(resp *wire.DeclareResponse) error {
	switch d.op.Kind() {
	case "map":
		m, err := d.op.Map(d.config)
		if err != nil {
			return err
		}
		if d.decl, err = m.Declare(d.in[0]); err != nil {
			return err
		}
		if err := d.decl.Check(d.in[0]); err != nil {
			return err
		}
		resp.ReadsSome = d.decl.Reads != nil
		for _, r := range d.decl.Reads {
			resp.Reads = append(resp.Reads, uint32(r))
		}
		for _, k := range d.decl.Keeps {
			resp.Keeps = append(resp.Keeps, int32(k))
		}
		d.out = []*arrow.Schema{d.decl.Output}
	case "scalar":
		f, err := d.op.Scalar(d.config)
		if err != nil {
			return err
		}
		field, err := f.Declare(d.in[0].Fields())
		if err != nil {
			return err
		}
		d.out = []*arrow.Schema{arrow.NewSchema([]arrow.Field{field}, nil)}
	case "aggregate":
		a, err := d.op.Aggregate(d.config)
		if err != nil {
			return err
		}
		partial, out, err := a.Schemas(d.in[0], d.in[1])
		d.out = []*arrow.Schema{partial, out}
		return err
	case "keyed":
		k, err := d.op.Keyed(d.config)
		if err != nil {
			return err
		}
		state, out, err := k.Schemas(d.in[0], d.in[1])
		d.out = []*arrow.Schema{state, out}
		return err
	case "source":
		src, err := d.op.Source(d.config)
		if err != nil {
			return err
		}
		rows, err := src.Schema()
		d.out = []*arrow.Schema{rows}
		return err
	case "sink":
		out, err := d.op.Sink(d.config)
		if err != nil {
			return err
		}
		return out.Check(d.in[0], d.keys)
	}
	return nil
}

// Check says what is wrong with a declaration for rows of schema in.
func (d Declaration) Check(in *arrow.Schema) error {
	if d.Output == nil {
		return errors.New("a declaration without an output schema")
	}
	for i, r := range d.Reads {
		if r < 0 || r >= in.NumFields() || i > 0 && d.Reads[i-1] >= r {
			return fmt.Errorf("a declaration that reads columns %v of %d: numbers must ascend and exist", d.Reads, in.NumFields())
		}
	}
	if d.Keeps != nil && len(d.Keeps) != d.Output.NumFields() {
		return fmt.Errorf("a declaration with %d output columns says of %d what they keep", d.Output.NumFields(), len(d.Keeps))
	}
	for i, k := range d.Keeps {
		switch {
		case k < -1 || k >= in.NumFields():
			return fmt.Errorf("a declaration in which output column %d keeps column %d of %d", i, k, in.NumFields())
		case k >= 0 && (!arrow.TypeEqual(in.Field(k).Type, d.Output.Field(i).Type) || in.Field(k).Nullable && !d.Output.Field(i).Nullable):
			return fmt.Errorf("a declaration in which output column %q (%s) keeps column %q (%s): types differ", d.Output.Field(i).Name, d.Output.Field(i).Type, in.Field(k).Name, in.Field(k).Type)
		}
	}
	return nil
}

// Input is the schema of what Process is given, of rows of schema in.
func (d Declaration) Input(in *arrow.Schema) *arrow.Schema {
	if d.Reads == nil {
		return in
	}
	return batch.Columns(in, d.Reads)
}

// find is a declaration by its number.
func (s *server) find(n uint32) (*declared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.declared[n]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("declaration %d is not there", n)
}

// panicked is a panic of an operator's code.
type panicked struct{ text, stack string }

func (p *panicked) Error() string { return "panic: " + p.text }

// called runs code of an operator: a panic becomes an error.
func called(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{fmt.Sprint(v), userFrames()}
		}
	}()
	return f()
}

// userFrames is the stack of a panic, from the place where it happened on.
func userFrames() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var lines []string
	behind := false
	for {
		f, more := frames.Next()
		if behind && !strings.HasPrefix(f.Function, "runtime.") {
			lines = append(lines, fmt.Sprintf("%s\n\t%s:%d", f.Function, f.File, f.Line))
		}
		behind = behind || f.Function == "runtime.gopanic"
		if !more {
			break
		}
	}
	return strings.Join(lines[:min(len(lines), 12)], "\n")
}

func (s *server) Channel(stream wire.Plugin_ChannelServer) error {
	return newCalls(s, channel.ServeStream(stream)).serve(stream.Context())
}

func (s *server) Attach(ctx context.Context, req *wire.AttachRequest) (*wire.AttachResponse, error) {
	c, err := channel.ServeMemory(ctx, req.Socket, req.Token)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	go func() { // it ends with its socket, which the host closes, or with the process
		defer c.Close()
		_ = newCalls(s, c).serve(context.Background())
	}()
	return &wire.AttachResponse{}, nil
}

func didYouMean(name string, names []string) string {
	if near := guess.Name(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Sprintf("; it has %s", strings.Join(names, ", "))
}
