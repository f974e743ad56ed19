package plugins_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
	"github.com/millrace/millrace/plugins/plugintest"
)

// record is the main function of a plugin that writes down what it is asked and what it says.
func record(path string) {
	r := &recorder{Server: plugins.NewServer(plugintest.Plugin()), path: path, ops: map[uint32]string{}}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.to.Declare = map[string][]byte{}
	case err != nil:
		panic(err)
	default:
		if err := json.Unmarshal(data, &r.to); err != nil {
			panic(err)
		}
	}
	r.to.Handshake = "1|1|unix|SOCKET|grpc|"
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: map[int]plugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.GRPC{Service: r}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(opts...) },
	})
}

type recorder struct {
	plugins.Server
	path string

	mu  sync.Mutex
	to  recorded
	ops map[uint32]string
}

// save writes the recording: the process may be ended at any time.
func (r *recorder) save() {
	data, err := json.MarshalIndent(r.to, "", "\t")
	if err == nil {
		err = os.WriteFile(r.path, append(data, '\n'), 0o644)
	}
	if err != nil {
		panic(err)
	}
}

func encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func (r *recorder) Describe(ctx context.Context, req *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	resp, err := r.Server.Describe(ctx, req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to.Describe = encoded(resp)
	r.save()
	return resp, err
}

func (r *recorder) Declare(ctx context.Context, req *wire.DeclareRequest) (*wire.DeclareResponse, error) {
	resp, err := r.Server.Declare(ctx, req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops[req.Declaration] = req.Operator
	r.to.Declare[req.Operator] = encoded(resp)
	r.save()
	return resp, err
}

func (r *recorder) Channel(s wire.Plugin_ChannelServer) error {
	return r.Serve(s.Context(), &listener{Plugin: channel.ServeStream(&tapped{Plugin_ChannelServer: s, r: r}), r: r, channel: "portable"})
}

func (r *recorder) Attach(ctx context.Context, req *wire.AttachRequest) (*wire.AttachResponse, error) {
	c, err := channel.ServeMemory(ctx, req.Socket, req.Token)
	if err != nil {
		return nil, err
	}
	go func() {
		defer c.Close()
		_ = r.Serve(context.Background(), &listener{Plugin: c, r: r, channel: "memory"})
	}()
	return &wire.AttachResponse{}, nil
}

// tapped is a stream whose messages are kept as they are.
type tapped struct {
	wire.Plugin_ChannelServer
	r *recorder
}

func (s *tapped) Recv() (*wire.Request, error) {
	req, err := s.Plugin_ChannelServer.Recv()
	if err == nil {
		s.r.asked("portable", req)
	}
	return req, err
}

func (s *tapped) Send(resp *wire.Response) error {
	s.r.said("portable", resp)
	return s.Plugin_ChannelServer.Send(resp)
}

func (r *recorder) asked(channel string, req *wire.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to.Calls = append(r.to.Calls, recordedCall{Channel: channel, Operator: r.ops[req.Declaration], Method: int32(req.Method), Request: encoded(req)})
}

func (r *recorder) said(_ string, resp *wire.Response) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.to.Calls[len(r.to.Calls)-1] // the test asks one thing at a time
	c.Answers = append(c.Answers, encoded(resp))
	r.save()
}

// listener keeps the calls of a channel in memory, with parts as bytes.
type listener struct {
	channel.Plugin
	r       *recorder
	channel string
}

func (c *listener) Next(schemas func(*wire.Request) ([]*arrow.Schema, error)) (*wire.Request, []arrow.Record, error) {
	req, parts, err := c.Plugin.Next(schemas)
	if err == nil && c.channel == "memory" {
		kept := proto.Clone(req).(*wire.Request)
		kept.Parts = raw(parts[:len(req.Parts)])
		c.r.asked("memory", kept)
	}
	return req, parts, err
}

func (c *listener) Answer(req *wire.Request, resp *wire.Response, parts []arrow.Record) error {
	if c.channel == "memory" {
		kept := proto.Clone(resp).(*wire.Response)
		kept.Id, kept.Parts = req.Id, raw(parts)
		c.r.said("memory", kept)
	}
	return c.Plugin.Answer(req, resp, parts)
}

func raw(recs []arrow.Record) []*wire.Part {
	parts := make([]*wire.Part, len(recs))
	for i, rec := range recs {
		if rec == nil {
			parts[i] = &wire.Part{Data: &wire.Part_Absent{Absent: true}}
			continue
		}
		var b []byte
		for _, p := range batch.Marshal(rec, nil) {
			b = append(b, p...)
		}
		parts[i] = &wire.Part{Data: &wire.Part_Raw{Raw: b}}
	}
	return parts
}
