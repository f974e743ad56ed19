package wire

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/millrace/millrace/internal/batch"
)

// Protocol is the version of what the messages mean, and of go-plugin's handshake.
const Protocol = 1

// Memory is the feature of channels in shared memory.
const Memory = "memory"

// Stages is the feature of plugins that take a batch's rows in several STAGE requests.
const Stages = "stages"

// The cookie of go-plugin's handshake: who starts a plugin by hand gets an explanation instead.
const (
	CookieKey   = "MILLRACE_PLUGIN"
	CookieValue = "c2f8a1d6-operator"
)

// PluginName is the name under which go-plugin knows what is served.
const PluginName = "operators"

// MaxMessage is the most bytes of a message of a portable channel, and MaxFrame of a frame of a channel in memory.
const (
	MaxMessage = 4 << 20
	MaxFrame   = 64 << 20
)

// Schemas of the parts that are the same for all operators of a kind; see Method.
var (
	From    = one("from", arrow.PrimitiveTypes.Int32)
	Of      = one("of", arrow.PrimitiveTypes.Int32)
	OutOf   = one("out_of", arrow.PrimitiveTypes.Int32)
	Offsets = one("offsets", arrow.PrimitiveTypes.Int64)
	Flags   = arrow.NewSchema([]arrow.Field{{Name: "exists", Type: arrow.FixedWidthTypes.Boolean}, {Name: "due", Type: arrow.FixedWidthTypes.Boolean}, {Name: "timer", Type: arrow.PrimitiveTypes.Int64}}, nil)
	Actions = arrow.NewSchema([]arrow.Field{{Name: "action", Type: arrow.PrimitiveTypes.Uint8}, {Name: "timer", Type: arrow.PrimitiveTypes.Int64}}, nil)
)

func one(name string, t arrow.DataType) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: name, Type: t}}, nil)
}

// EncodeSchema is a schema as bytes.
func EncodeSchema(s *arrow.Schema) ([]byte, error) {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return b.Bytes(), nil
}

// DecodeSchema reads what EncodeSchema, or another implementation, wrote. Bytes from outside never panic. Metadata are left out, and types that columns cannot have are refused.
func DecodeSchema(b []byte) (s *arrow.Schema, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("schema of %d bytes cannot be read: %v", len(b), v)
		}
	}()
	if err := CheckStream(b); err != nil {
		return nil, fmt.Errorf("schema of %d bytes: %w", len(b), err)
	}
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("schema of %d bytes cannot be read: %w", len(b), err)
	}
	defer r.Release()
	fields := make([]arrow.Field, r.Schema().NumFields())
	for i, f := range r.Schema().Fields() {
		fields[i] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: f.Nullable}
	}
	s = arrow.NewSchema(fields, nil)
	if err := batch.Supported(s); err != nil {
		return nil, err
	}
	return s, nil
}

// EncodeSchemas is EncodeSchema for several.
func EncodeSchemas(list ...*arrow.Schema) ([][]byte, error) {
	out := make([][]byte, len(list))
	for i, s := range list {
		var err error
		if out[i], err = EncodeSchema(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DecodeSchemas is DecodeSchema for n of them.
func DecodeSchemas(list [][]byte, n int) ([]*arrow.Schema, error) {
	if len(list) != n {
		return nil, fmt.Errorf("%d schemas, want %d", len(list), n)
	}
	out := make([]*arrow.Schema, n)
	for i, b := range list {
		var err error
		if out[i], err = DecodeSchema(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}
