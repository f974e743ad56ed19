package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// be is what the test binary does as a plugin.
func be(mode string) {
	socket := os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/s"
	if mode != "deaf" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	switch mode {
	case "host":
		beHost()
	case "honest":
		plugins.ServePlugin(honest())
	case "other":
		p := honest()
		p.Version = "2.0"
		plugins.ServePlugin(p)
	case "garbage":
		fmt.Println("loading model …\n50%\n100%")
		select {}
	case "half": // a line without an end
		fmt.Print("no line break")
	case "exit":
		fmt.Fprintln(os.Stderr, "ImportError: no module named numpy")
		os.Exit(1)
	case "silent":
		fmt.Fprintln(os.Stderr, "still thinking")
		select {}
	case "mute":
		fmt.Printf("1|1|unix|%s|grpc\n", socket)
		select {}
	case "plain": // cannot do TLS
		l, err := net.Listen("unix", socket)
		if err != nil {
			panic(err)
		}
		s := grpc.NewServer()
		wire.RegisterPluginServer(s, &hostile{})
		fmt.Printf("1|1|unix|%s|grpc\n", socket)
		_ = s.Serve(l)
	case "future":
		fmt.Printf("1|7|unix|%s|grpc\n", socket)
		select {}
	case "elsewhere":
		fmt.Println("1|1|unix|/var/run/docker.sock|grpc")
		select {}
	case "tcp":
		fmt.Println("1|1|tcp|127.0.0.1:80|grpc")
		select {}
	default:
		h := &hostile{do: mode, state: os.Getenv("STATE")}
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig:  wire.Handshake,
			VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.GRPC{Service: h}}},
			GRPCServer:       goplugin.DefaultGRPCServer, Logger: hclog.NewNullLogger(),
		})
	}
}

// beHost is a process with a plugin, which waits to be killed.
func beHost() {
	exe, _ := os.Executable()
	p := New(Options{})
	r := plugins.Command(exe).Set(plugins.Settings{Env: map[string]string{modeEnv: os.Getenv("OF")}})
	if _, err := p.Describe(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.list()[0].running()[0].group(), p.list()[0].running()[0].folder)
	select {}
}

// hostile is a plugin that does one thing wrong.
type hostile struct {
	wire.UnimplementedPluginServer
	do    string
	state string // a file that is there from the second process on
}

func (h *hostile) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	d := &wire.DescribeResponse{Protocol: 1, Name: "hostile", Version: "1", Sdk: "none", Concurrent: true, Offers: []*wire.Offer{{Name: "op", Kind: "map"}, {Name: "plus", Kind: "scalar"}, {Name: "in", Kind: "source"}}}
	switch h.do {
	case "version2":
		d.Protocol = 2
	case "name":
		d.Name = "x\x1b[31m"
	case "kind":
		d.Offers[0].Kind = "window"
	case "twice":
		d.Offers[1].Name = "op"
	}
	return d, nil
}

func (h *hostile) Declare(_ context.Context, req *wire.DeclareRequest) (*wire.DeclareResponse, error) {
	var schemas [][]byte
	var err error
	switch req.Operator {
	case "op":
		schemas, err = wire.EncodeSchemas(rowsSchema)
	case "plus":
		schemas, err = wire.EncodeSchemas(sumSchema)
	case "in":
		schemas, err = wire.EncodeSchemas(rowsSchema)
	}
	d := &wire.DeclareResponse{Schemas: schemas}
	switch h.do {
	case "bytes":
		d.Schemas = [][]byte{[]byte("no schema")}
	case "reads":
		d.ReadsSome, d.Reads = true, []uint32{9}
	case "from", "count":
		d.Keeps = []int32{-1, 1}
	case "keeps":
		d.Keeps = []int32{1, 0}
	case "changes":
		if _, err := os.Stat(h.state); err == nil {
			d.Keeps = []int32{-1, 1}
		}
		_ = os.WriteFile(h.state, nil, 0o600)
	case "hangs":
		select {}
	}
	return d, err
}

func (h *hostile) Channel(s wire.Plugin_ChannelServer) error {
	c := channel.ServeStream(s)
	for {
		req, recs, err := c.Next(func(*wire.Request) ([]*arrow.Schema, error) { return []*arrow.Schema{rowsSchema}, nil })
		if err != nil {
			return err
		}
		if req == nil {
			continue
		}
		if h.do == "changes" && req.Batch.Number == 1 {
			os.Exit(9)
		}
		resp, parts := h.answer(req, recs)
		if h.do == "id" {
			if err := s.Send(&wire.Response{Id: req.Id + 1, Numbers: resp.Numbers}); err != nil {
				return err
			}
			continue
		}
		for {
			if err := c.Answer(req, resp, parts); err != nil {
				return err
			}
			if !resp.More {
				break
			}
		}
	}
}

func (h *hostile) answer(req *wire.Request, recs []arrow.Record) (*wire.Response, []arrow.Record) {
	if req.Method == wire.Method_READ {
		offsets := []int64{0, 1, 1}
		if h.do == "back" {
			return &wire.Response{Numbers: []int64{-5, 0}}, nil
		}
		b := numbers64(offsets)
		return &wire.Response{Numbers: []int64{3, 3}}, []arrow.Record{rows(0, 3, 1), b}
	}
	if req.Method == wire.Method_PARTITIONS {
		return &wire.Response{Numbers: []int64{0, -1, 0, -1}, Blobs: [][]byte{[]byte("a"), nil, []byte("a"), nil}}, nil
	}
	n := int64(0)
	if len(recs) > 0 && recs[0] != nil {
		n = recs[0].NumRows()
	}
	resp := &wire.Response{Numbers: []int64{n}}
	one := array.NewRecord(sumSchema, []arrow.Array{rows(0, int(n), 1).Column(0)}, n)
	named := array.NewRecord(arrow.NewSchema(rowsSchema.Fields()[:1], nil), one.Columns(), n)
	switch h.do {
	case "schema":
		return resp, []arrow.Record{one}
	case "rows":
		resp.Numbers[0] = n + 2
	case "negative":
		resp.Numbers[0] = -1
	case "no numbers":
		resp.Numbers = nil
	case "no columns":
		return resp, nil
	case "from":
		return resp, []arrow.Record{named, numbers(wire.From, []int32{0, 1, 3})}
	case "count":
		resp.Numbers[0] = 1
		return resp, []arrow.Record{named.NewSlice(0, 1)}
	case "endless": // rows without end
		resp.More = true
	case "drip": // nothing, again and again
		resp.More, resp.Numbers[0] = true, 0
		return resp, nil
	case "parts":
		return resp, []arrow.Record{recs[0], nil, recs[0]}
	case "protocol":
		return &wire.Response{Failure: &wire.Failure{Kind: wire.Failure_PROTOCOL, Text: "declaration 1 is not there"}}, nil
	case "stray":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 100_000))
	}
	return resp, recs
}

func numbers64(list []int64) arrow.Record {
	b := array.NewInt64Builder(alloc)
	b.AppendValues(list, nil)
	return array.NewRecord(wire.Offsets, []arrow.Array{b.NewArray()}, int64(len(list)))
}
