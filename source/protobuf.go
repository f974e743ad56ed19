package source

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/records"
)

// Protobuf is one row a record: its value is a message of Protocol Buffers of the given full name, which becomes a T, a struct. The set is a FileDescriptorSet with all that the message's file
// imports, as protoc --include_imports --descriptor_set_out=FILE writes it; go:embed puts it into the program. Nothing is generated.
//
// Columns are named by the proto tag, else the arrow tag, else the field's name in snake case, and are fields of the message by these names. Numbers are read into fields that hold them all:
// int32 into int32 or int64, not into int8; uint32 into int64 too. An enum is its name (that of an unknown number is the number) or an int32; a google.protobuf.Timestamp a time.Time, and so is a string
// or a number with a layout tag as JSON has it; a string with a decimal tag an expr.Dec. Lists, maps with string keys and messages become slices, maps and structs.
//
// A field that can be absent (optional, of a oneof, a message, all of proto2) and is makes a bad record, unless T's is a pointer, which is nil then, or has the tag option omitempty. One that cannot,
// as those of proto3 that are not optional, is zero. Fields that T does not have are passed over, as Protocol Buffers pass over fields that are not known.
func Protobuf[T any](set []byte, message string, opts ...Option) Format[T] {
	o, err := collect("Protobuf", opts, "MaxRecord")
	plan, planErr := decode.Proto(reflect.TypeFor[T](), set, message)
	f := Format[T]{text: "proto " + message, err: errors.Join(err, planErr), limit: o.maxRecord, binary: true}
	if planErr != nil {
		return f
	}
	f.text = plan.Text()
	f.reader = func() recordReader[T] {
		d := plan.Decoder()
		return func(b *records.Block, i int, dst *T) string {
			v := b.Value(i)
			if v == nil {
				return noValue
			}
			if !d.Decode(v, unsafe.Pointer(dst)) {
				return d.Reason()
			}
			return ""
		}
	}
	return f
}
