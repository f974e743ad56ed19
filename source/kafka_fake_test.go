package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/clock"
)

// cluster is two brokers that do what tests want of them. They know one topic.
type cluster struct {
	t       testing.TB
	brokers [2]net.Listener
	newest  int16 // version of fetches

	mu      sync.Mutex // guards what follows
	parts   []fakePart
	each    func(node int32, p *kmsg.FetchResponseTopicPartition) // may change an answer
	cut     int                                                   // how many of the next answers to fetches break off
	asked   []int64                                               // fetches, by partition
	conns   []net.Conn
	changed chan struct{} // closed when there is more
}

// fakePart is a partition: its record batches, each of one record.
type fakePart struct {
	leader, epoch int32
	batches       [][]byte
}

func newCluster(t testing.TB, partitions int) *cluster {
	t.Helper()
	c := &cluster{t: t, newest: 16, parts: make([]fakePart, partitions), asked: make([]int64, partitions), changed: make(chan struct{})}
	var wg sync.WaitGroup
	for i := range c.brokers {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.brokers[i] = ln
		wg.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				c.mu.Lock()
				c.conns = append(c.conns, conn)
				c.mu.Unlock()
				wg.Go(func() { c.serve(conn, int32(i)) })
			}
		})
	}
	t.Cleanup(func() {
		for _, ln := range c.brokers {
			ln.Close()
		}
		c.mu.Lock()
		for _, conn := range c.conns {
			conn.Close()
		}
		close(c.changed)
		c.mu.Unlock()
		wg.Wait()
	})
	return c
}

func (c *cluster) env() Env {
	return Env{Job: "test", Brokers: []string{c.brokers[0].Addr().String()}, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}}
}

// connector reads the topic.
func (c *cluster) connector() Connector {
	c.t.Helper()
	k, err := openKafka("topic", Earliest, kafkaOptions{})(c.t.Context(), c.env())
	if err != nil {
		c.t.Fatal(err)
	}
	return k
}

// do changes the cluster.
func (c *cluster) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// add appends n records "PARTITION:OFFSET", with size more bytes each.
func (c *cluster) add(part, n, size int) {
	c.do(func() {
		p := &c.parts[part]
		for range n {
			at := len(p.batches)
			value := append(fmt.Appendf(nil, "%d:%d", part, at), make([]byte, size)...)
			r := kmsg.Record{Value: value}
			r.Length = int32(len(r.AppendTo(nil)) - 1)
			b := kmsg.RecordBatch{FirstOffset: int64(at), PartitionLeaderEpoch: p.epoch, Magic: 2, ProducerID: -1, NumRecords: 1, Records: r.AppendTo(nil)}
			b.Length = int32(len(b.Records) + 49)
			raw := b.AppendTo(nil)
			binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
			p.batches = append(p.batches, raw)
		}
	})
}

func (c *cluster) serve(conn net.Conn, node int32) {
	defer conn.Close()
	for last := false; ; {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, b); err != nil {
			return
		}
		req := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(b)))
		req.SetVersion(int16(binary.BigEndian.Uint16(b[2:])))
		body := b[10+binary.BigEndian.Uint16(b[8:]):]
		if req.IsFlexible() {
			body = body[1:]
		}
		if err := req.ReadFrom(body); err != nil {
			c.t.Errorf("request %T: %v", req, err)
			return
		}
		resp := c.answer(node, req)
		if resp == nil {
			return
		}
		out := append(make([]byte, 4), b[4:8]...)
		if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
			out = append(out, 0)
		}
		resp.SetVersion(req.GetVersion())
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		c.mu.Lock()
		if _, fetched := resp.(*kmsg.FetchResponse); fetched && c.cut > 0 {
			c.cut--
			out, last = out[:len(out)/2], true
		}
		c.mu.Unlock()
		if _, err := conn.Write(out); err != nil || last {
			return
		}
	}
}

func (c *cluster) answer(node int32, req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp := kmsg.NewPtrApiVersionsResponse()
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
			{ApiKey: int16(kmsg.Fetch), MinVersion: 4, MaxVersion: c.newest}, {ApiKey: int16(kmsg.Metadata), MaxVersion: 9}, {ApiKey: int16(kmsg.ApiVersions), MaxVersion: 3},
		}
		return resp
	case *kmsg.MetadataRequest:
		return c.metadata()
	case *kmsg.FetchRequest:
		return c.fetched(node, req)
	}
	c.t.Errorf("a %T was not expected", req)
	return nil
}

func (c *cluster) metadata() kmsg.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp := kmsg.NewPtrMetadataResponse()
	for i, ln := range c.brokers {
		at := ln.Addr().(*net.TCPAddr)
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: int32(i), Host: at.IP.String(), Port: int32(at.Port)})
	}
	name := "topic"
	t := kmsg.MetadataResponseTopic{Topic: &name}
	for i, p := range c.parts {
		t.Partitions = append(t.Partitions, kmsg.MetadataResponseTopicPartition{Partition: int32(i), Leader: p.leader, LeaderEpoch: p.epoch})
	}
	resp.Topics = append(resp.Topics, t)
	return resp
}

// fetched answers when there is something to say, or the client's time is over.
func (c *cluster) fetched(node int32, req *kmsg.FetchRequest) kmsg.Response {
	late := time.After(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	c.mu.Lock()
	for _, p := range req.Topics[0].Partitions {
		c.asked[p.Partition]++
	}
	c.mu.Unlock()
	for {
		c.mu.Lock()
		resp, found := c.look(node, req)
		changed := c.changed
		c.mu.Unlock()
		if found {
			return resp
		}
		select {
		case <-late:
			return resp
		case <-changed:
		case <-c.t.Context().Done():
			return nil
		}
	}
}

func (c *cluster) look(node int32, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, found bool) {
	resp = kmsg.NewPtrFetchResponse()
	t := kmsg.FetchResponseTopic{Topic: req.Topics[0].Topic}
	for _, q := range req.Topics[0].Partitions {
		p, part := kmsg.NewFetchResponseTopicPartition(), &c.parts[q.Partition]
		p.Partition, p.LastStableOffset = q.Partition, int64(len(part.batches))
		switch {
		case part.leader != node:
			p.ErrorCode = kerr.NotLeaderForPartition.Code
		case q.CurrentLeaderEpoch >= 0 && q.CurrentLeaderEpoch < part.epoch:
			p.ErrorCode = kerr.FencedLeaderEpoch.Code
		case q.FetchOffset > p.LastStableOffset:
			p.ErrorCode = kerr.OffsetOutOfRange.Code
		default:
			for at := q.FetchOffset; at < p.LastStableOffset && len(p.RecordBatches) < int(q.PartitionMaxBytes); at++ {
				p.RecordBatches = append(p.RecordBatches, part.batches[at]...)
			}
		}
		if c.each != nil {
			c.each(node, &p)
		}
		found = found || p.ErrorCode != 0 || len(p.RecordBatches) > 0 || p.DivergingEpoch.EndOffset >= 0
		t.Partitions = append(t.Partitions, p)
	}
	resp.Topics = append(resp.Topics, t)
	return resp, found
}

// wants reads on to an offset and demands the records that add made.
func (c *cluster) wants(r Reader, part, from, end int) {
	c.t.Helper()
	for i, v := range readUntil(c.t.(*testing.T), r, int64(from), int64(end)) {
		if want := fmt.Sprintf("%d:=%d:%d", from+i, part, from+i); v[:min(len(v), len(want))] != want {
			c.t.Fatalf("record %.20q, want %s", v, want)
		}
	}
}

func (c *cluster) open(k Connector, part int, from int64) Reader {
	c.t.Helper()
	r, err := k.Reader(c.t.Context(), Partition{Key: fmt.Sprint(part)}, from)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// TestKafkaFollowsLeaders: partitions move between brokers, epochs rise, answers break off, a topic is unknown for a while; each record is read once, in order.
func TestKafkaFollowsLeaders(t *testing.T) {
	for _, newest := range []int16{4, 11, 16} {
		c := newCluster(t, 2)
		c.newest = newest
		c.parts[1].leader = 1
		k := c.connector()
		a, b := c.open(k, 0, 0), c.open(k, 1, 0)
		at := 0
		more := func() {
			t.Helper()
			c.add(0, 10, 100)
			c.add(1, 10, 100)
			c.wants(a, 0, at, at+10)
			c.wants(b, 1, at, at+10)
			at += 10
		}
		more()
		c.do(func() { c.parts[0].leader, c.parts[0].epoch = 1, 1 })
		more()
		c.do(func() { c.parts[0].leader, c.parts[1].leader, c.parts[0].epoch, c.parts[1].epoch = 0, 0, 2, 2 })
		more()
		c.do(func() { c.parts[0].epoch, c.parts[1].epoch = 3, 3 })
		more()
		c.do(func() { c.cut = 3 })
		more()
		for _, err := range []*kerr.Error{kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.UnknownLeaderEpoch, kerr.KafkaStorageError} {
			left := 2
			c.do(func() {
				c.each = func(_ int32, p *kmsg.FetchResponseTopicPartition) {
					if left > 0 {
						left--
						p.ErrorCode, p.RecordBatches = err.Code, nil
					}
				}
			})
			more()
		}
		c.do(func() { // brokers go and come back
			for _, conn := range c.conns {
				conn.Close()
			}
		})
		more()
		if err := errors.Join(a.Close(), b.Close(), k.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestKafkaFetchErrors: what another try does not mend is told.
func TestKafkaFetchErrors(t *testing.T) {
	c := newCluster(t, 1)
	k := c.connector()
	defer k.Close()
	for want, f := range map[string]func(p *kmsg.FetchResponseTopicPartition){
		"TOPIC_AUTHORIZATION_FAILED": func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = kerr.TopicAuthorizationFailed.Code },
		"checksum": func(p *kmsg.FetchResponseTopicPartition) {
			p.RecordBatches = append([]byte(nil), p.RecordBatches...)
			p.RecordBatches[70] ^= 1
		},
		"lost records": func(p *kmsg.FetchResponseTopicPartition) { p.DivergingEpoch.EndOffset = 3 },
	} {
		c.do(func() { c.each, c.parts[0].batches = nil, nil })
		c.add(0, 5, 0)
		r := c.open(k, 0, 0)
		c.wants(r, 0, 0, 5)
		c.do(func() {
			c.each = func(_ int32, p *kmsg.FetchResponseTopicPartition) {
				if p.LastStableOffset > 5 {
					f(p)
				}
			}
		})
		c.add(0, 1, 0)
		b, err := r.Next(t.Context())
		if err == nil || !contains(err, want) || !contains(err, "topic partition 0") {
			t.Errorf("%s: %v, %v", want, b, err)
		}
		if errors.Is(err, ErrBeyondEnd) != (want == "lost records") {
			t.Errorf("%v is of the wrong kind", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestKafkaLeavesOutWhatIsFull: a partition that nobody reads is fetched no further than its bound, and does not hold the others up.
func TestKafkaLeavesOutWhatIsFull(t *testing.T) {
	c := newCluster(t, 2)
	c.add(0, 400, 20_000)
	c.add(1, 400, 20_000)
	k := c.connector()
	defer k.Close()
	idle, busy := c.open(k, 0, 0), c.open(k, 1, 0)
	c.wants(busy, 1, 0, 400)
	c.mu.Lock()
	asked := c.asked
	c.mu.Unlock()
	if asked[0] > 4 || asked[1] < 7 {
		t.Errorf("the partition that is not read was asked for %d times, the other one %d", asked[0], asked[1])
	}
	c.wants(idle, 0, 0, 400)
	if err := errors.Join(idle.Close(), busy.Close()); err != nil {
		t.Error(err)
	}
}

// TestKafkaClosesWhileFetching: Close does not wait for a broker that says nothing.
func TestKafkaClosesWhileFetching(t *testing.T) {
	c := newCluster(t, 1)
	release := make(chan struct{})
	began := make(chan struct{}, 100)
	c.each = func(int32, *kmsg.FetchResponseTopicPartition) {
		began <- struct{}{}
		<-release
	}
	k := c.connector()
	r, again := c.open(k, 0, 0), c.open(k, 0, 0)
	<-began
	if err := errors.Join(again.Close(), r.Close(), k.Close()); err != nil {
		t.Error(err)
	}
	close(release)
}

func contains(err error, s string) bool { return strings.Contains(err.Error(), s) }
