package plugins_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// replay is the main function of a plugin that says what is recorded, and reads of requests what an old plugin would: the fields that there were.
func replay(path string) {
	r := &replayer{ops: map[uint32]string{}, used: map[int]bool{}}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &r.from)
	}
	if err != nil {
		fatal(err)
	}
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "old")
	l, err := net.Listen("unix", socket)
	if err != nil {
		fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(r.handle))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(strings.Replace(r.from.Handshake, "SOCKET", socket, 1))
	_ = s.Serve(l)
	os.Exit(0)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "replay:", err)
	os.Exit(1)
}

// rawCodec leaves messages as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

func (rawCodec) Name() string { return "proto" }

type replayer struct {
	from recorded

	mu   sync.Mutex
	ops  map[uint32]string
	used map[int]bool // calls that were answered
}

func (r *replayer) handle(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	if method == "/millrace.plugin.v1.Plugin/Channel" {
		for {
			var req []byte
			if err := s.RecvMsg(&req); err != nil {
				return nil // it is closed
			}
			err := r.answer("portable", req, func(resp []byte) error { return s.SendMsg(&resp) })
			if err != nil {
				fatal(err)
			}
		}
	}
	var req []byte
	if err := s.RecvMsg(&req); err != nil {
		return err
	}
	var resp []byte
	switch method {
	case "/millrace.plugin.v1.Plugin/Describe":
		resp = r.from.Describe
	case "/millrace.plugin.v1.Plugin/Declare":
		var d wire.DeclareRequest
		if err := proto.Unmarshal(req, &d); err != nil {
			return err
		}
		r.mu.Lock()
		r.ops[d.Declaration], resp = d.Operator, r.from.Declare[d.Operator]
		r.mu.Unlock()
	case "/millrace.plugin.v1.Plugin/Attach":
		var a wire.AttachRequest
		if err := proto.Unmarshal(req, &a); err != nil {
			return err
		}
		if err := r.attach(a.Socket, a.Token); err != nil {
			return err
		}
	case "/grpc.health.v1.Health/Check":
		resp = []byte{8, 1} // SERVING
	default:
		return errors.New("not there")
	}
	return s.SendMsg(&resp)
}

// answer gives what was said to a request like this one.
func (r *replayer) answer(channel string, b []byte, send func([]byte) error) error {
	var req wire.Request
	if err := proto.Unmarshal(b, &req); err != nil {
		return err
	}
	r.mu.Lock()
	op, found := r.ops[req.Declaration], -1
	for i, c := range r.from.Calls {
		if !r.used[i] && c.Channel == channel && c.Operator == op && c.Method == int32(req.Method) {
			found = i
			break
		}
	}
	r.used[found] = true
	r.mu.Unlock()
	if found < 0 {
		return fmt.Errorf("%s of %s over %s was never asked", req.Method, op, channel)
	}
	c := r.from.Calls[found]
	if err := like(c.Request, &req); err != nil {
		return fmt.Errorf("%s of %s over %s: %w", req.Method, op, channel, err)
	}
	for _, a := range c.Answers {
		if err := send(answering(a, req.Id)); err != nil {
			return err
		}
	}
	return nil
}

// answering is a recorded response with another id, field 1.
func answering(b []byte, id uint64) []byte {
	out := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), id)
	for len(b) > 0 {
		num, _, n := protowire.ConsumeField(b)
		if n < 0 {
			fatal(protowire.ParseError(n))
		}
		if num != 1 {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// like says how a request differs from the recorded one in what an old plugin reads.
func like(b []byte, got *wire.Request) error {
	want := &wire.Request{}
	if err := proto.Unmarshal(b, want); err != nil {
		return err
	}
	got = proto.Clone(got).(*wire.Request)
	for _, r := range []*wire.Request{want, got} {
		r.Id, r.Declaration, r.Room = 0, 0, nil
		r.ProtoReflect().SetUnknown(nil)
	}
	if !proto.Equal(want, got) {
		return fmt.Errorf("the request is\n%v\nand the recorded one is\n%v", got, want)
	}
	return nil
}

// attach is the plugin's side of a channel in memory as version 1 has it: see docs/plugins-protocol.md.
func (r *replayer) attach(socket string, token []byte) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	if _, err := conn.Write(token); err != nil {
		return err
	}
	greeting, rights := make([]byte, 24), make([]byte, unix.CmsgSpace(8))
	_, n, _, _, err := conn.ReadMsgUnix(greeting, rights)
	if err != nil {
		return err
	}
	msgs, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return err
	}
	in, err := unix.Mmap(fds[0], 0, int(binary.LittleEndian.Uint64(greeting[8:])), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	out, err := unix.Mmap(fds[1], 0, int(binary.LittleEndian.Uint64(greeting[16:])), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	go func() {
		for {
			b, err := readFrame(conn)
			if err != nil {
				return
			}
			if err := r.memory(conn, b, in, out); err != nil {
				fatal(err)
			}
		}
	}()
	return nil
}

func readFrame(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.LittleEndian.Uint32(head[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}

// memory answers one request, with its answer's parts in the room that it gives.
func (r *replayer) memory(conn net.Conn, b, in, out []byte) error {
	var req wire.Request
	if err := proto.Unmarshal(b, &req); err != nil {
		return err
	}
	for _, p := range req.Parts {
		if at := p.GetPlace(); at != nil {
			p.Data = &wire.Part_Raw{Raw: append([]byte(nil), in[at.Offset:at.Offset+at.Length]...)}
		}
	}
	room := req.Room.GetOffset()
	return r.answer("memory", encoded(&req), func(b []byte) error {
		var resp wire.Response
		if err := proto.Unmarshal(b, &resp); err != nil {
			return err
		}
		for _, p := range resp.Parts {
			if raw, ok := p.GetData().(*wire.Part_Raw); ok {
				p.Data = &wire.Part_Place{Place: &wire.Place{Offset: room, Length: uint64(len(raw.Raw))}}
				room += uint64(copy(out[room:], raw.Raw)+63) &^ 63
			}
		}
		b = encoded(&resp)
		_, err := conn.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
		return err
	})
}
