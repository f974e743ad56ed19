package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// declaration is an operator with a configuration, for rows of given schemas. All processes of the plugin know it by the same number.
type declaration struct {
	operator string
	req      *wire.DeclareRequest
	resp     *wire.DeclareResponse // the first process's; others must say the same
	in, out  []*arrow.Schema
	biggest  atomic.Int64 // bytes of the largest answer to a request so far; 0: there was none yet
}

// mostOut is about how many bytes of answers may be out at a channel. A plugin whose answer is not taken does not read requests: whoever sends more then waits for ever.
const mostOut = 32 << 20

// room tells whether a request of a number of bytes may be sent while so many are out.
func (d *declaration) room(out int, bytes int64) bool {
	if out == 0 {
		return true
	}
	biggest := d.biggest.Load()
	return out < channel.Window && bytes <= pieceBytes && biggest > 0 && int64(out+1)*biggest <= mostOut
}

// answered notes the bytes of an answer.
func (d *declaration) answered(bytes int64) {
	for bytes = max(bytes, 1); ; {
		old := d.biggest.Load()
		if old >= bytes || d.biggest.CompareAndSwap(old, bytes) {
			return
		}
	}
}

// declared are the declarations that a process knows.
type declared struct {
	mu   sync.Mutex // guards done
	done map[uint32]*declaring
}

// declaring is a declaration under way.
type declaring struct {
	done chan struct{} // closed at its end
	resp *wire.DeclareResponse
	err  error
}

// declare makes a declaration, with out schemas in the answer. Equal ones are made once.
func (r *remote) declare(operator string, config []byte, keys, out int, in ...*arrow.Schema) (*declaration, error) {
	schemas, err := wire.EncodeSchemas(in...)
	if err != nil {
		return nil, &Error{Kind: Refused, Plugin: r.name(), Operator: operator, Text: err.Error(), Err: err}
	}
	req := &wire.DeclareRequest{Operator: operator, Config: config, Schemas: schemas, Keys: uint32(keys)}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, &Error{Kind: Refused, Plugin: r.name(), Operator: operator, Text: err.Error(), Err: err}
	}
	key := string(b)
	r.mu.Lock()
	d := r.declarations[key]
	r.numbers++
	req.Declaration = r.numbers
	r.mu.Unlock()
	if d != nil {
		return d, nil
	}
	d = &declaration{operator: operator, req: req, in: in}
	ctx, cancel := context.WithTimeout(r.pool.ctx, startLimit(r.ref.Settings)+callLimit(r.ref.Settings)+backOffMost)
	defer cancel()
	p, err := r.take(ctx)
	if err != nil {
		return nil, named(err, operator, nil)
	}
	defer r.give(p)
	if d.resp, err = r.ensure(ctx, p, d); err != nil {
		return nil, err
	}
	if d.out, err = wire.DecodeSchemas(d.resp.Schemas, out); err != nil {
		return nil, r.broken(p, d.operator, nil, fmt.Errorf("what it declares makes no sense: %w", err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.declarations[key]; old != nil {
		return old, nil
	}
	r.declarations[key] = d
	return d, nil
}

// ensure declares d in a process, unless it knows it.
func (r *remote) ensure(ctx context.Context, p *process, d *declaration) (*wire.DeclareResponse, error) {
	p.declared.mu.Lock()
	if p.declared.done == nil {
		p.declared.done = map[uint32]*declaring{}
	}
	c := p.declared.done[d.req.Declaration]
	mine := c == nil
	if mine {
		c = &declaring{done: make(chan struct{})}
		p.declared.done[d.req.Declaration] = c
	}
	p.declared.mu.Unlock()
	if !mine {
		select {
		case <-c.done:
			return c.resp, c.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer close(c.done)
	// The declaration is the process's, and others may wait for it: it does not end with the task that happens to be first.
	limited, cancel := context.WithTimeout(r.pool.ctx, callLimit(r.ref.Settings))
	defer cancel()
	c.resp, c.err = p.api.Declare(limited, d.req)
	switch {
	case c.err != nil:
		c.err = r.lost(r.pool.ctx, limited, p, d.operator, nil, c.err)
	case c.resp.Refusal != "":
		c.err = &Error{Kind: Refused, Plugin: r.name(), Operator: d.operator, Text: printable(c.resp.Refusal, maxText)}
	case d.resp != nil && !proto.Equal(c.resp, d.resp):
		c.err = r.broken(p, d.operator, nil, fmt.Errorf("it declares something else than an earlier process of it: a declaration must depend on configuration and schemas alone"))
	}
	if c.err != nil { // it may be asked again
		p.declared.mu.Lock()
		delete(p.declared.done, d.req.Declaration)
		p.declared.mu.Unlock()
	}
	return c.resp, c.err
}

// mapDeclaration is what a map declares.
func (r *remote) mapDeclaration(operator string, config []byte, in *arrow.Schema) (*declaration, plugins.Declaration, error) {
	var out plugins.Declaration
	d, err := r.declare(operator, config, 0, 1, in)
	if err != nil {
		return nil, out, err
	}
	out.Output, out.Reads = d.out[0], reads(d.resp)
	for _, k := range d.resp.Keeps {
		out.Keeps = append(out.Keeps, int(k))
	}
	if err := out.Check(in); err != nil {
		return nil, out, &Error{Kind: Protocol, Plugin: r.name(), Operator: operator, Text: err.Error(), Err: err}
	}
	return d, out, nil
}

// reads are the columns that an operator reads; nil: all.
func reads(resp *wire.DeclareResponse) []int {
	if !resp.ReadsSome {
		return nil
	}
	out := []int{}
	for _, c := range resp.Reads {
		out = append(out, int(c))
	}
	return out
}
