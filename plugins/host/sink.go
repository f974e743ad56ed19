package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// sink is a Sink in a process.
type sink struct {
	r      *remote
	name   string
	config []byte
	d      *declaration
}

func (s *sink) Check(rows *arrow.Schema, keys int) (err error) {
	s.d, err = s.r.declare(s.name, s.config, keys, 0, rows)
	return err
}

func (s *sink) Lane(ctx context.Context, n, lanes int, o plugins.Owner) (plugins.Lane, error) {
	if s.d == nil {
		return nil, errors.New("Lane before Check")
	}
	l, err := s.r.acquire(ctx, s.d)
	if err != nil {
		return nil, err
	}
	resp, _, err := l.call(ctx, &wire.Request{Method: wire.Method_LANE, Numbers: []int64{int64(n), int64(lanes), o.Epoch}, Blobs: [][]byte{[]byte(o.ID)}})
	if err == nil && len(resp.Blobs) > 1 {
		err = l.broken(nil, fmt.Errorf("%d markers of a lane", len(resp.Blobs)))
	}
	l.own = true
	if err != nil {
		l.release()
		return nil, err
	}
	out := &lane{l: l}
	if len(resp.Blobs) == 1 {
		out.marker = append([]byte{}, resp.Blobs[0]...)
	}
	return out, nil
}

// lane is a Lane in a process, which ends with it.
type lane struct {
	l      *lease
	marker []byte
	err    error // why it is of no further use
}

func (l *lane) Marker() []byte { return l.marker }

// Stage sends all rows in one request, or in several where that is too much: the plugin stages them together.
func (l *lane) Stage(ctx context.Context, b plugins.Batch, rows []arrow.Record) error {
	if l.l == nil || !slices.Contains(l.l.r.desc.Features, wire.Stages) {
		return l.call(ctx, &wire.Request{Method: wire.Method_STAGE, Batch: wireBatch(b)}, rows...)
	}
	var group []arrow.Record
	size := int64(0)
	for _, rec := range rows {
		for _, piece := range pieces(rec) {
			n := recordBytes(piece)
			if len(group) > 0 && size+n > wholeBytes {
				if err := l.call(ctx, &wire.Request{Method: wire.Method_STAGE, Batch: wireBatch(b), Numbers: []int64{1}}, group...); err != nil {
					return err
				}
				group, size = nil, 0
			}
			group = append(group, piece)
			size += n
		}
	}
	return l.call(ctx, &wire.Request{Method: wire.Method_STAGE, Batch: wireBatch(b)}, group...)
}

func (l *lane) Publish(ctx context.Context, b plugins.Batch, marker []byte) error {
	err := l.call(ctx, &wire.Request{Method: wire.Method_PUBLISH, Batch: wireBatch(b), Blobs: [][]byte{marker}})
	if err == nil {
		l.marker = append([]byte{}, marker...)
	}
	return err
}

func (l *lane) Flush(ctx context.Context) error {
	return l.call(ctx, &wire.Request{Method: wire.Method_FLUSH})
}

func (l *lane) call(ctx context.Context, req *wire.Request, parts ...arrow.Record) error {
	if l.err != nil {
		return l.err
	}
	if l.l == nil {
		return errors.New("the lane is closed")
	}
	_, _, err := l.l.call(ctx, req, parts...)
	var e *Error
	if err != nil && !(errors.As(err, &e) && (e.Kind == Operator || e.Kind == Limit && l.l.out == 0 && l.l.p.alive())) {
		l.err = err
	}
	return err
}

func (l *lane) Close() error {
	if l.l != nil {
		l.l.release()
		l.l = nil
	}
	return nil
}

var (
	_ plugins.Sink = (*sink)(nil)
	_ plugins.Lane = (*lane)(nil)
)
