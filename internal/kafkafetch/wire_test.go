package kafkafetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// script is a connection that reads what it is given and forgets what is written.
type script struct {
	net.Conn
	in io.Reader
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { return len(p), nil }
func (s *script) Close() error                { return nil }

func wireOf(t testing.TB, in io.Reader) (*Wire, net.Conn) {
	t.Helper()
	w := NewWire(func(context.Context, string, string) (net.Conn, error) { return &script{in: in}, nil })
	c, err := w.Dial(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

// asked is a request as a client writes it.
func asked(req kmsg.Request, id int32) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, id)
}

// framed is an answer as a broker writes it.
func framed(resp kmsg.Response, id int32, tagged bool) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(id))
	if tagged {
		b = append(b, 1, 9, 2, 'x', 'y') // a tag of the future
	}
	b = resp.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// someAnswer is a fetch's answer with random partitions.
func someAnswer(r *rand.Rand, version int16) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.ThrottleMillis, resp.SessionID = version, r.Int32(), r.Int32()
	for i := range r.IntN(3) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = fmt.Sprint("topic", i)
		for n := range r.IntN(5) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark, p.LastStableOffset = int32(n), int16(r.IntN(3)), r.Int64(), r.Int64()
			if r.IntN(3) == 0 && version >= 12 {
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 4, 99
				p.UnknownTags.Set(7, []byte("of the future"))
			}
			for range r.IntN(3) {
				p.AbortedTransactions = append(p.AbortedTransactions, Aborted{ProducerID: r.Int64(), FirstOffset: r.Int64()})
			}
			if r.IntN(4) > 0 {
				p.RecordBatches = bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(20_000))
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// readFrame is an answer as a client reads it.
func readFrame(t testing.TB, c io.Reader) []byte {
	t.Helper()
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWire: with a Wire between, a client sees all of an answer but the records, and those are there for its tickets; other answers are as they were. Bytes come
// and go in pieces of any size.
func TestWire(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		version := int16(4 + r.IntN(MaxVersion-3))
		meta := kmsg.NewPtrMetadataRequest()
		meta.SetVersion(9)
		fetch := kmsg.NewPtrFetchRequest()
		fetch.SetVersion(version)
		other := kmsg.NewPtrMetadataResponse()
		other.Version = 9
		cluster := "a cluster"
		other.ClusterID = &cluster

		var in, out []byte
		var answers []*kmsg.FetchResponse
		for i := range int32(5) {
			if i == 2 {
				out, in = append(out, asked(meta, i)...), append(in, framed(other, i, true)...)
				continue
			}
			a := someAnswer(r, version)
			answers = append(answers, a)
			out, in = append(out, asked(fetch, i)...), append(in, framed(a, i, version >= flexibleVersion)...)
		}
		from := io.Reader(bytes.NewReader(in))
		if seed%3 == 0 {
			from = iotest.HalfReader(from)
		}
		w, c := wireOf(t, from)
		for len(out) > 0 {
			n := 1 + r.IntN(len(out))
			if _, err := c.Write(out[:n]); err != nil {
				t.Fatal(err)
			}
			out = out[n:]
		}
		client := io.Reader(c)
		if seed%2 == 0 {
			client = iotest.OneByteReader(c)
		}
		for i := range int32(5) {
			b := readFrame(t, client)
			if i == 2 {
				if want := framed(other, i, true)[4:]; !bytes.Equal(b, want) {
					t.Fatalf("another answer was %x, want %x", b, want)
				}
				continue
			}
			b = b[4:]
			if version >= flexibleVersion {
				b = b[5:]
			}
			got := kmsg.NewPtrFetchResponse()
			got.Version = version
			if err := got.ReadFrom(b); err != nil {
				t.Fatalf("version %d: %v", version, err)
			}
			want := kmsg.NewPtrFetchResponse()
			want.Version = version
			if err := want.ReadFrom(answers[0].AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
			answers = answers[1:]
			for i := range got.Topics {
				for j := range got.Topics[i].Partitions {
					p := &got.Topics[i].Partitions[j]
					raw := w.Take(p.RecordBatches)
					if w.Take(p.RecordBatches) != nil {
						t.Fatal("a ticket is good twice")
					}
					if raw != nil {
						p.RecordBatches = bytes.Clone(raw.Data)
						raw.Free()
					}
				}
			}
			if d := cmp.Diff(want, got, cmp.Comparer(bytes.Equal), cmp.Comparer(func(a, b kmsg.Tags) bool { return true })); d != "" {
				t.Fatalf("version %d: %s", version, d)
			}
		}
		if len(w.blocks) != 0 {
			t.Fatalf("%d blocks are left", len(w.blocks))
		}
	}
}

// TestGivenUp: records that nobody takes are forgotten with the next answer, and with the connection.
func TestGivenUp(t *testing.T) {
	a := kmsg.NewPtrFetchResponse()
	a.Version = 11
	a.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{{RecordBatches: make([]byte, 50_000)}}}}
	w, c := wireOf(t, bytes.NewReader(append(framed(a, 1, false), framed(a, 2, false)...)))
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	for i := range int32(2) {
		if _, err := c.Write(asked(req, i)); err != nil {
			t.Fatal(err)
		}
		readFrame(t, c)
		if len(w.blocks) != 1 {
			t.Fatalf("%d blocks", len(w.blocks))
		}
	}
	if err := c.Close(); err != nil || len(w.blocks) != 0 {
		t.Errorf("%d blocks, %v", len(w.blocks), err)
	}
}

// FuzzWire: an answer is either what the protocol says, or an error; never more than was sent.
func FuzzWire(f *testing.F) {
	for version := int16(4); version <= MaxVersion; version++ {
		f.Add(version, framed(someAnswer(rand.New(rand.NewPCG(7, 7)), version), 1, version >= flexibleVersion))
	}
	f.Fuzz(func(t *testing.T, version int16, data []byte) {
		if version < 4 || version > MaxVersion || len(data) < 8 {
			return
		}
		data = bytes.Clone(data)
		binary.BigEndian.PutUint32(data, uint32(len(data)-4))
		w, c := wireOf(t, bytes.NewReader(data))
		req := kmsg.NewPtrFetchRequest()
		req.SetVersion(version)
		if _, err := c.Write(asked(req, 1)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil {
			return
		}
		held := 0
		for _, b := range w.blocks {
			held += len(b.Data)
		}
		if len(got)+held < len(data)-16*(1+len(w.blocks)) || held > len(data) {
			t.Fatalf("%d bytes became %d, and %d of records", len(data), len(got), held)
		}
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	})
}
