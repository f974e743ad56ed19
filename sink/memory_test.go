package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// parse builds a record from Arrow's JSON.
func parse(t *testing.T, schema *arrow.Schema, rows string) []arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return []arrow.Record{rec}
}

func TestConsole(t *testing.T) {
	schema := sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: arrow.BinaryTypes.String},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
	}, nil), Keys: 1, ScalarKey: true}
	var out bytes.Buffer
	l := openLane(t, openOutput(t, sink.Console(sink.ConsoleRows(3), sink.ConsoleTo(&out)), schema), 1)
	rows := parse(t, schema.Arrow, `[{"key":"é","n":12345,"tags":["a"]},{"key":"long\u001b[2Jname","n":null,"tags":[]}]`)
	b := sink.Batch{Number: 7, Time: time.Date(2024, 2, 29, 12, 0, 0, 5e8, time.UTC).UnixMicro()}
	ctx := context.Background()
	if err := l.Stage(ctx, b, append(rows, rows...)); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Fatalf("printed before it was published: %s", out.String())
	}
	for range 2 {
		if err := l.Publish(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, l, 8, nil) // nothing to print
	want := strings.Join([]string{
		"-- s: batch 7, 2024-02-29 12:00:00.500, 4 rows",
		"key               n  tags",
		"------------  -----  -----",
		"é             12345  [\"a\"]",
		"long·[2Jname   null  []",
		"é             12345  [\"a\"]",
		"and 1 row more", "", "",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCallback(t *testing.T) {
	var calls []string
	fail := errors.New("not now")
	f := func(_ context.Context, b sink.Batch, rows []arrow.Record) error {
		n := int64(0)
		for _, r := range rows {
			n += r.NumRows()
		}
		calls = append(calls, fmt.Sprintf("%d:%d", b.Number, n))
		switch {
		case b.Number == 2 && b.Attempt == 0:
			return fail
		case b.Number == 3 && b.Attempt == 0:
			panic("oops")
		}
		return nil
	}
	l := openLane(t, openOutput(t, sink.Callback("f", f, sink.CallbackRows(5), sink.CallbackSite("job.go:7")), sinktest.Schema), 1)
	ctx := context.Background()
	publish(t, l, 1, nil) // empty batches too
	stage := func(n int64, vals ...int64) error { return l.Stage(ctx, sink.Batch{Number: n}, pairs("k", vals...)) }
	for n := int64(2); n <= 3; n++ {
		if err := stage(n, 1, 2); err != nil {
			t.Fatal(err)
		}
		err := l.Publish(ctx, sink.Batch{Number: n})
		if n == 2 && !errors.Is(err, fail) {
			t.Errorf("got %v", err)
		}
		if n == 3 && (err == nil || !strings.Contains(err.Error(), "panic: oops") || !strings.Contains(err.Error(), "memory_test.go") || !strings.Contains(err.Error(), "job.go:7")) {
			t.Errorf("got %v", err)
		}
		if err := l.Publish(ctx, sink.Batch{Number: n, Attempt: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stage(4, 1, 2, 3, 4, 5, 6); err == nil || !strings.Contains(err.Error(), "at most 5") {
		t.Errorf("row limit: %v", err)
	}
	if diff := cmp.Diff([]string{"1:0", "2:2", "2:2", "3:2", "3:2"}, calls); diff != "" {
		t.Error(diff)
	}
}

// TestCallbackReturns: a call that has returned is not in the way of the next one, however soon that comes. Several run at once, so that some are
// preempted on their way back.
func TestCallbackReturns(t *testing.T) {
	f := func(context.Context, sink.Batch, []arrow.Record) error { return nil }
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l := openLane(t, openOutput(t, sink.Callback("f", f), sinktest.Schema), 1)
			for n := range int64(5_000) {
				publish(t, l, n+1, nil)
			}
		})
	}
}

func TestCallbackTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := func(ctx context.Context, b sink.Batch, _ []arrow.Record) error {
			<-ctx.Done()
			if b.Number == 2 {
				<-release // does not listen
			}
			return ctx.Err()
		}
		out := openOutput(t, sink.Callback("slow", f, sink.CallbackTimeout(time.Second)), sinktest.Schema)
		l := openLane(t, out, 1)
		ctx := context.Background()
		for n, want := range []string{"longer than 1s", "longer than 1s", "earlier call"} {
			b := sink.Batch{Number: int64(n + 1)}
			if err := l.Stage(ctx, b, nil); err != nil {
				t.Fatal(err)
			}
			if err := l.Publish(ctx, b); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("batch %d: %v", n+1, err)
			}
		}
		close(release)
		synctest.Wait()
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
}

var deadSchema = sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{
	{Name: "source", Type: arrow.BinaryTypes.String}, {Name: "offset", Type: arrow.PrimitiveTypes.Int64}, {Name: "value", Type: arrow.BinaryTypes.Binary},
}, nil)}

func TestDeadLetters(t *testing.T) {
	dir := t.TempDir()
	spec := sink.DeadLetters(dir, "files:/in/x")
	l := openLane(t, openOutput(t, sink.New(spec), deadSchema), 1)
	publish(t, l, 1, parse(t, deadSchema.Arrow, `[{"source":"s","offset":7,"value":"aGk="}]`))
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := sink.ReadManifest(dir + "/_dead/files:%2Fin%2Fx")
	if err != nil || len(files) != 1 || files[0].Rows != 1 {
		t.Fatalf("%+v, %v", files, err)
	}
	if !spec.Durable || spec.Name != "dead:files:/in/x" {
		t.Errorf("%+v", spec)
	}
}

func TestDeadLettersStderr(t *testing.T) {
	var out bytes.Buffer
	c := clock.NewManual(time.Unix(1_700_000_000, 0))
	o := openOutputAt(t, sink.New(sink.DeadLettersTo("s", &out)), deadSchema, c)
	l := openLane(t, o, 1)
	rows := parse(t, deadSchema.Arrow, `[{"source":"s","offset":1,"value":""},{"source":"s","offset":2,"value":""},{"source":"s","offset":3,"value":""}]`)
	for n := int64(1); n <= 4; n++ {
		publish(t, l, n, rows)
	}
	c.Advance(time.Second)
	publish(t, l, 5, rows[:1])
	publish(t, l, 6, rows)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "bad record: {"); n != 10 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	for _, want := range []string{"and 7 more bad records;", "and 1 more bad records;"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
