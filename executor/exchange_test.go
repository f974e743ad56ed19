package executor

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
)

// TestDuplicateBlocks: an equal block that comes again is dropped, another one stops the job (P16), and nobody is confused by foreign batches.
func TestDuplicateBlocks(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.process("a")
	f.process("b")
	a := f.assign(true, nil)
	f.batch(10)
	p := f.cut(10)
	f.launch(p)
	f.staged(p.Batch)
	plan := w.plan()
	edge := plan.Edges(plan.Sources[0])[0]
	part := 0
	for a.Reduce[part] != "b" {
		part++
	}
	src := rdd.TaskID{Node: plan.Sources[0].ID, Part: 0}
	key := keyOf(p)
	c, err := transport.Dial(t.Context(), "unix", strings.TrimPrefix(f.nodes["b"].addr, "unix:"), transport.Security{Token: testToken}, transport.Blocks, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	push := func(o outgoing) {
		if err := c.Write(0, kindBlocks, o.marshal()...); err != nil {
			t.Fatal(err)
		}
	}
	push(outgoing{runKey{p.Batch, "another plan"}, src, nil, []rdd.Block{{Edge: edge, Part: part, From: src}}, false})
	push(outgoing{runKey{1, key.hash}, src, nil, []rdd.Block{{Edge: edge, Part: part, From: src}}, false})
	other := sumOf(t, w, edge, src)
	push(outgoing{key, src, nil, []rdd.Block{{Edge: edge, Part: part, From: src, Rec: other, Sum: batch.Sum(other)}}, false})
	failed := expect[*TaskFailed](f, f.nodes["b"])
	if !failed.Fatal || failed.Task != src || failed.Batch != p.Batch || !strings.Contains(failed.Message, "not deterministic") || !strings.Contains(failed.Message, "words") {
		t.Fatalf("unexpected failure %+v", failed)
	}
}

// sumOf is a block of the source task that cannot be that of the batch.
func sumOf(t *testing.T, w *world, edge rdd.EdgeID, src rdd.TaskID) arrow.Record {
	t.Helper()
	p := w.plan()
	pipe := rdd.NewPipeline(p, p.Nodes[src.Node], &rdd.Context{Batch: 9, Layout: &rdd.Layout{Reduce: 1}, Partition: src.Part}, nil)
	rd, err := connectorOf(t, p, src.Node).Reader(t.Context(), partitionOf(src.Part), 300)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rd.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pipe.PushRecords(b, false); err != nil {
		t.Fatal(err)
	}
	blocks, err := pipe.Finish()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range blocks {
		if x.Edge == edge && x.Rec != nil {
			return x.Rec
		}
	}
	t.Fatal("no block")
	return nil
}

// TestDamagedBlocks: a frame whose bytes do not match its checksum ends the connection and reaches nobody; the sender sends again.
func TestDamagedBlocks(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	rec := sumOf(t, w, w.plan().Edges(w.plan().Sources[0])[0], rdd.TaskID{Node: w.plan().Sources[0].ID})
	o := outgoing{runKey{1, "h"}, rdd.TaskID{Node: w.plan().Sources[0].ID}, nil, []rdd.Block{
		{Edge: w.plan().Edges(w.plan().Sources[0])[0], Rec: rec, Sum: batch.Sum(rec)}, {Edge: w.plan().Edges(w.plan().Sources[0])[0], Part: 1},
	}, false}
	var payload []byte
	for _, p := range o.marshal() {
		payload = append(payload, p...)
	}
	in, err := unmarshal(w.plan(), payload)
	if err != nil || len(in.blocks) != 2 || in.blocks[1].Rec != nil || rowsText([]arrow.Record{in.blocks[0].Rec}) != rowsText([]arrow.Record{rec}) {
		t.Fatalf("%+v, %v", in, err)
	}
	for i := range payload {
		bad := append([]byte(nil), payload...)
		bad[i] ^= 0x40
		if got, err := unmarshal(w.plan(), bad); err == nil && i > 100 && fmt.Sprint(got.blocks[0].Sum) == fmt.Sprint(in.blocks[0].Sum) && got.blocks[0].Rec != nil {
			t.Fatalf("byte %d of %d may be changed unnoticed", i, len(payload))
		}
	}
}

// TestBlockBound: while the blocks kept for one batch pass the bound, the next one waits until it is committed (I8).
func TestBlockBound(t *testing.T) {
	want := undisturbed(t, pushed, 40, 30)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	n := f.local("a", func(c *Config) { c.BlockBytes = 1 })
	f.assign(true, nil)
	p := f.cut(40)
	f.launch(p)
	f.staged(p.Batch)
	q := f.cut(30)
	f.launch(q)
	f.publish(p.Batch)
	for r := range n.stats.Runs() {
		if r.Batch == q.Batch {
			t.Errorf("task %v of batch %d ran while batch %d filled the bound", r.Task, r.Batch, p.Batch)
		}
	}
	f.commit(p.Batch)
	f.finish(q)
	sameText(t, w.store.text(), want)
}

// TestBrokenPeer cuts a peer's connection behind the first frame: everything is sent again over the next.
func TestBrokenPeer(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	a := f.process("a")
	sock := filepath.Join(t.TempDir(), "peer")
	l, err := transport.Listen("unix", sock, transport.Security{Token: testToken}, testLog)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	as := f.assignment(true, func(kind string, i int) string {
		if kind == "reduce" && i == 0 {
			return "x"
		}
		return "a"
	})
	as.Peers["x"] = "unix:" + sock
	f.send(a, as)
	expect[*Assigned](f, a)
	p := f.cut(10)
	f.send(a, &Launch{Plan: *p})
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := first.Read(testWait); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	second, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	want := map[rdd.TaskID]bool{}
	for _, g := range p.Ranges {
		want[rdd.TaskID{Node: w.plan().Sources[0].ID, Part: g.Partition}] = true
	}
	for len(want) > 0 {
		_, payload, err := second.Read(testWait)
		if err != nil {
			t.Fatalf("%v; tasks %v were not sent again", err, want)
		}
		in, err := unmarshal(w.plan(), payload)
		if err != nil || in.key != keyOf(p) {
			t.Fatalf("%+v, %v", in, err)
		}
		for _, b := range in.blocks {
			delete(want, b.From)
		}
	}
	if a.stats.Resent() == 0 {
		t.Error("nothing was sent again")
	}
}

// TestEarlyBlocks sends blocks before their batch is launched, more than the bound: they wait, and none is lost.
func TestEarlyBlocks(t *testing.T) {
	want := undisturbed(t, pushed, 10, 30)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.process("a", func(c *Config) { c.BlockBytes = 1 })
	f.process("b", func(c *Config) { c.BlockBytes = 1 })
	f.assign(true, nil)
	f.batch(10)
	p := f.cut(30)
	f.flight = append(f.flight, p.Batch)
	f.send(f.nodes["a"], &Launch{Plan: *p})
	for len(f.nodes["a"].stats.Runs()) < 2*feedParts { // its own source tasks of both batches: then blocks are on their way
		f.send(f.nodes["a"], &Flush{})
		expect[*Flushed](f, f.nodes["a"])
	}
	f.send(f.nodes["b"], &Launch{Plan: *p})
	f.finish(p)
	sameText(t, w.store.text(), want)
}
