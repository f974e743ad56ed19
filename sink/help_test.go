package sink_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/sink"
)

func openOutput(t testing.TB, s sink.Sink, schema sink.Schema) sink.Output {
	t.Helper()
	return openOutputAt(t, s, schema, clock.System{})
}

func openOutputAt(t testing.TB, s sink.Sink, schema sink.Schema, c clock.Clock) sink.Output {
	t.Helper()
	if s.Spec().Err != nil {
		t.Fatal(s.Spec().Err)
	}
	out, err := s.Spec().Open(context.Background(), sink.Env{Job: "test", Clock: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func openLane(t testing.TB, out sink.Output, epoch int64) sink.Lane {
	t.Helper()
	l, err := out.Lane(context.Background(), 0, 1, sink.Owner{UUID: "u", Timeline: 1, Epoch: epoch, Sink: "s"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
