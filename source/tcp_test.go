package source_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/source"
)

// ingest opens spec as a driver does and runs its Ingest until the test ends.
func ingest(t *testing.T, spec *source.Spec, dir string) (source.Connector, context.CancelFunc) {
	t.Helper()
	conn, err := spec.Open(t.Context(), source.Env{Job: "job", LogDir: dir, Clock: clock.System{}, Driver: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- conn.(source.Ingester).Ingest(ctx) }()
	return conn, func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("ingest: %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// take reads n rows of the one partition from an offset on.
func take(t *testing.T, conn source.Connector, spec *source.Spec, from int64, n int) []string {
	t.Helper()
	parts, err := conn.Partitions(t.Context())
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	r, err := conn.Reader(t.Context(), parts[0], from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rows []string
	for len(rows) < n {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, _, bad := spec.NewDecoder().Decode(b, 0, b.Len())
		rows = append(rows, c.Vals.([]string)...)
		for range bad {
			rows = append(rows, "BAD")
		}
	}
	return rows
}

// TestTCP serves lines over two connections, with a restart of the job between them.
func TestTCP(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dir := t.TempDir()
	spec := source.TCPText(server.Addr().String(), source.MaxRecord(20)).Spec()
	conn, stop := ingest(t, spec, dir)
	for _, text := range []string{"one\ntwo\r\n", "three\na line that is longer than twenty bytes\nlast"} {
		c, err := server.Accept() // it connects again by itself
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, text)
		c.Close()
	}
	want := []string{"one", "two", "three", "last", "BAD"}
	if got := take(t, conn, spec, 0, 5); !cmp.Equal(sorted(got), sorted(want)) {
		t.Errorf("%q", got)
	}
	stop()

	conn, stop = ingest(t, spec, dir)
	defer stop()
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "four\n")
	if got := take(t, conn, spec, 1, 5); !cmp.Equal(sorted(got), sorted([]string{"two", "three", "BAD", "last", "four"})) {
		t.Errorf("after a restart, from offset 1: %q", got)
	}
	parts, err := conn.Partitions(t.Context())
	if err != nil || parts[0].Start != 5 {
		t.Errorf("a new job begins at %d (%v), want 5: behind what was there before", parts[0].Start, err)
	}
}

func sorted(s []string) map[string]int {
	m := map[string]int{}
	for _, v := range s {
		m[v]++
	}
	return m
}

func TestTCPListens(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	dir := t.TempDir()
	spec := source.TCPText(addr, source.Listen()).Spec()
	taken, err := spec.Open(t.Context(), source.Env{Job: "job", LogDir: dir, Clock: clock.System{}, Driver: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.(source.Ingester).Ingest(t.Context()); err == nil {
		t.Error("listening at a port in use: no error")
	} else {
		t.Log(err)
	}
	if err := taken.Close(); err != nil {
		t.Error(err)
	}
	free.Close()

	conn, stop := ingest(t, spec, dir)
	defer stop()
	for i := range 3 {
		c := dial(t, addr)
		fmt.Fprintf(c, "line %d\n", i)
		defer c.Close()
	}
	if got := take(t, conn, spec, 0, 3); !cmp.Equal(sorted(got), map[string]int{"line 0": 1, "line 1": 1, "line 2": 1}) {
		t.Errorf("%q", got)
	}
}

// dial connects as soon as somebody listens.
func dial(t *testing.T, addr string) net.Conn {
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}
