package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins/internal/wire"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "n", Type: arrow.PrimitiveTypes.Int64},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32)},
}, nil)

func rows(n int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%3 == 1 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", i%5))
		}
		l := b.Field(2).(*array.ListBuilder)
		l.Append(true)
		for j := range i % 4 {
			l.ValueBuilder().(*array.Int32Builder).Append(int32(j))
		}
	}
	return b.NewRecord()
}

// pair is the engine's end of a channel in memory, and a socket where anybody may be.
func pair(t testing.TB) (*memoryHost, *frames) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns[i] = c.(*net.UnixConn)
	}
	return &memoryHost{frames: frames{conn: conns[0]}, in: make([]byte, regionBytes), out: make([]byte, regionBytes), heard: 1}, &frames{conn: conns[1]}
}

// What a hostile plugin answers ends the channel with words, and nothing is read outside of the room that it was given.
func TestHostileAnswers(t *testing.T) {
	at := func(offset, length uint64) *wire.Response {
		return &wire.Response{Id: 1, Parts: []*wire.Part{{Data: &wire.Part_Place{Place: &wire.Place{Offset: offset, Length: length}}}}}
	}
	for _, c := range []struct {
		name string
		resp *wire.Response
		want string
	}{
		{"another slot", at(slotBytes, 64), "outside of 0"},
		{"behind the slot", at(slotBytes-8, 16), "outside of 0"},
		{"behind everything", at(regionBytes, 8), "outside of 0"},
		{"around the end of numbers", at(math.MaxUint64-7, 16), "outside of 0"},
		{"too long", at(0, math.MaxUint64), "outside of 0"},
		{"zeros", at(0, 64), "not a frame of this version"},
		{"another request", &wire.Response{Id: 2}, "where that to request 1 is due"},
		{"too many parts", &wire.Response{Id: 1, Parts: []*wire.Part{absent, absent}}, "2 parts, want 1"},
		{"no data", &wire.Response{Id: 1, Parts: []*wire.Part{{}}}, "no data"},
		{"garbage", &wire.Response{Id: 1, Parts: []*wire.Part{{Data: &wire.Part_Ipc{Ipc: []byte("what is this?")}}}}, "stream of 13 bytes"},
		{"garbage, raw", &wire.Response{Id: 1, Parts: []*wire.Part{{Data: &wire.Part_Raw{Raw: []byte{1, 200, 1, 0}}}}}, "record batch of 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, plugin := pair(t)
			if err := plugin.write(c.resp); err != nil {
				t.Fatal(err)
			}
			if _, _, err := h.Receive(context.Background(), []*arrow.Schema{schema}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestHostileFrames(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"too large":   {"\xff\xff\xff\xff", "where 67108864 is the most"},
		"not a frame": {"\x04\x00\x00\x00\xff\xff\xff\xff", "a frame of 4 bytes"},
		"cut off":     {"\x04\x00\x00\x00\x08", "unexpected EOF"},
		"nothing":     {"", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			h, plugin := pair(t)
			if _, err := plugin.conn.Write([]byte(c.bytes)); err != nil {
				t.Fatal(err)
			}
			plugin.conn.Close()
			if _, _, err := h.Receive(context.Background(), nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A call that is not answered ends with its context.
func TestReceiveEnds(t *testing.T) {
	h, _ := pair(t)
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Millisecond, os.ErrDeadlineExceeded)
	defer cancel()
	if _, _, err := h.Receive(ctx, nil); err == nil || !strings.Contains(err.Error(), "answer to request 1: i/o timeout") {
		t.Errorf("%v", err)
	}
}

// What does not fit into its room goes with the message, and both come out as they went in.
func TestPlace(t *testing.T) {
	region := make([]byte, 4096)
	in := []arrow.Record{rows(10), nil, rows(1000), rows(0), rows(3)}
	parts := place(region, &wire.Place{Offset: 1024, Length: 2048}, in)
	if parts[0].GetPlace() == nil || parts[2].GetRaw() == nil || parts[4].GetPlace() == nil || parts[4].GetPlace().Offset%64 != 0 {
		t.Errorf("places: %v %v %v", parts[0].GetPlace(), parts[2].GetPlace(), parts[4].GetPlace())
	}
	if !bytes.Equal(region[:1024], make([]byte, 1024)) || !bytes.Equal(region[3072:], make([]byte, 1024)) {
		t.Error("bytes outside of the room were written")
	}
	out, err := decode(parts, []*arrow.Schema{schema}, func(p *wire.Place) ([]byte, error) {
		return copied(region, &wire.Place{Length: 4096}, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range in {
		if (rec == nil) != (out[i] == nil) || rec != nil && !array.RecordEqual(rec, out[i]) {
			t.Errorf("part %d is %v, want %v", i, out[i], rec)
		}
	}
}

// Parts from outside never panic, and what is accepted can be read to its end.
func FuzzParts(f *testing.F) {
	for _, n := range []int{0, 1, 40} {
		parts, err := encodeIPC([]arrow.Record{rows(n), rows(n).NewSlice(0, int64(n/2))})
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range append(parts, place(nil, nil, []arrow.Record{rows(n)})...) {
			b, err := proto.Marshal(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p wire.Part
		if proto.Unmarshal(b, &p) != nil {
			return
		}
		recs, err := decode([]*wire.Part{&p}, []*arrow.Schema{schema}, nil)
		if err != nil || recs[0] == nil {
			return
		}
		again, err := batch.Unmarshal(schema, bytes.Join(batch.Marshal(recs[0], nil), nil))
		if err != nil || again.NumRows() != recs[0].NumRows() {
			t.Errorf("%v comes back as %v, %v", recs[0], again, err)
		}
		_ = array.RecordEqual(recs[0], again)
	})
}

// Frames from outside never panic, and never read outside of their room.
func FuzzFrames(f *testing.F) {
	for _, r := range []*wire.Response{{Id: 1, Numbers: []int64{4}, Parts: place(make([]byte, 512), slot(1), []arrow.Record{rows(4)})}, {Id: 1, Failure: &wire.Failure{Text: "x"}}} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	h, plugin := pair(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		h.heard = 1
		if _, err := plugin.conn.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
			t.Fatal(err)
		}
		_, recs, err := h.Receive(context.Background(), []*arrow.Schema{schema})
		if err == nil && len(recs) != 1 {
			t.Errorf("%d record batches", len(recs))
		}
	})
}

func FuzzSchema(f *testing.F) {
	b, err := wire.EncodeSchema(schema)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := wire.DecodeSchema(b)
		if err != nil {
			return
		}
		if _, err := wire.EncodeSchema(s); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	})
}
