// Package channel carries calls between an executor and a plugin: record batches in shared memory, or in messages of gRPC. docs/plugins-protocol.md is what it implements.
package channel

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// Window is how many requests may be out.
const Window = 4

// Host is the engine's end of a channel. One goroutine at a time. After an error of Send or Receive the channel is of no further use.
type Host interface {
	// Send sends a request; its Id, Parts and Room are filled in. parts are its record batches, nil for those that are absent. At most Window requests may be out.
	Send(ctx context.Context, req *wire.Request, parts []arrow.Record) error
	// Receive waits for the next response. schemas gives those of its parts. Records share no memory with the plugin, and are checked.
	Receive(ctx context.Context, schemas []*arrow.Schema) (*wire.Response, []arrow.Record, error)
	Close() error
}

// Plugin is the plugin's end of a channel. One goroutine at a time calls Next, and one Answer; they may be two. Requests are read while answers are written: otherwise both sides could wait
// for each other, since messages may be larger than what a connection holds.
type Plugin interface {
	// Next waits for a request; io.EOF: there are no more. schemas gives those of its parts.
	Next(schemas func(*wire.Request) ([]*arrow.Schema, error)) (*wire.Request, []arrow.Record, error)
	// Answer sends a response to the oldest request of Next that is not answered yet, req: Id and Parts are filled in.
	Answer(req *wire.Request, resp *wire.Response, parts []arrow.Record) error
	// Limit is how many bytes of record batches an answer should have at most: larger ones are split by rows.
	Limit() int
}
