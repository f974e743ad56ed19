package channel

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// stream is the engine's end of a portable channel.
type stream struct {
	s      wire.Plugin_ChannelClient
	cancel context.CancelFunc
	sent   uint64
	heard  uint64 // id of the request whose answer is due
}

// OpenStream opens a portable channel of a plugin.
func OpenStream(ctx context.Context, c wire.PluginClient) (Host, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s, err := c.Channel(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	return &stream{s: s, cancel: cancel, heard: 1}, nil
}

func (c *stream) Send(ctx context.Context, req *wire.Request, parts []arrow.Record) (err error) {
	defer context.AfterFunc(ctx, c.cancel)()
	c.sent++
	req.Id, req.Room = c.sent, nil
	if req.Parts, err = encodeIPC(parts); err != nil {
		return err
	}
	if n := proto.Size(req); n > wire.MaxMessage {
		return fmt.Errorf("a request of %d bytes, where %d is the most: a row is too large for the portable path", n, wire.MaxMessage)
	}
	if err := c.s.Send(req); err != nil {
		if errors.Is(err, io.EOF) { // Recv knows why
			_, err = c.s.Recv()
		}
		return fmt.Errorf("send request %d: %w", req.Id, cause(ctx, err))
	}
	return nil
}

// cause is what ended a call: the context's end, where that is what there was.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *stream) Receive(ctx context.Context, schemas []*arrow.Schema) (*wire.Response, []arrow.Record, error) {
	defer context.AfterFunc(ctx, c.cancel)()
	resp, err := c.s.Recv()
	if err != nil {
		return nil, nil, fmt.Errorf("answer to request %d: %w", c.heard, cause(ctx, err))
	}
	return received(resp, &c.heard, schemas, nil)
}

// received checks a response, and counts.
func received(resp *wire.Response, heard *uint64, schemas []*arrow.Schema, at func(*wire.Place) ([]byte, error)) (*wire.Response, []arrow.Record, error) {
	if resp.Id != *heard {
		return nil, nil, fmt.Errorf("an answer to request %d, where that to request %d is due", resp.Id, *heard)
	}
	var recs []arrow.Record
	if resp.Failure == nil {
		if len(resp.Parts) > len(schemas) {
			return nil, nil, fmt.Errorf("answer to request %d: %d parts, want %d", resp.Id, len(resp.Parts), len(schemas))
		}
		var err error
		if recs, err = decode(resp.Parts, schemas, at); err != nil {
			return nil, nil, fmt.Errorf("answer to request %d: %w", resp.Id, err)
		}
	}
	if !resp.More || resp.Failure != nil {
		*heard++
	}
	for len(recs) < len(schemas) {
		recs = append(recs, nil)
	}
	return resp, recs, nil
}

func (c *stream) Close() error {
	err := c.s.CloseSend()
	c.cancel()
	return err
}

// served is the plugin's end of a portable channel.
type served struct{ s wire.Plugin_ChannelServer }

// ServeStream is the plugin's end of a portable channel.
func ServeStream(s wire.Plugin_ChannelServer) Plugin { return served{s} }

func (c served) Next(schemas func(*wire.Request) ([]*arrow.Schema, error)) (*wire.Request, []arrow.Record, error) {
	req, err := c.s.Recv()
	if err != nil {
		if c.s.Context().Err() != nil {
			err = io.EOF
		}
		return nil, nil, err
	}
	return requested(req, schemas, nil)
}

// requested are the record batches of a request.
func requested(req *wire.Request, schemas func(*wire.Request) ([]*arrow.Schema, error), at func(*wire.Place) ([]byte, error)) (*wire.Request, []arrow.Record, error) {
	want, err := schemas(req)
	if err == nil && len(req.Parts) > 0 && len(want) == 0 {
		err = fmt.Errorf("%d parts, want none", len(req.Parts))
	}
	var recs []arrow.Record
	if err == nil {
		recs, err = decode(req.Parts, want, at)
	}
	if err != nil {
		return req, nil, &RequestError{fmt.Errorf("request %d: %w", req.Id, err)}
	}
	for len(recs) < len(want) {
		recs = append(recs, nil)
	}
	return req, recs, nil
}

// RequestError is what is wrong with a request; the channel goes on behind it.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *RequestError) Unwrap() error { return e.Err }

func (c served) Answer(req *wire.Request, resp *wire.Response, parts []arrow.Record) (err error) {
	resp.Id = req.Id
	if resp.Parts, err = encodeIPC(parts); err != nil {
		return err
	}
	return c.s.Send(resp)
}

func (c served) Limit() int { return wire.MaxMessage / 2 }
