package dstream_test

import (
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

func TestCount(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).Count().To(dstreamtest.Sink("out"))
	}, values[int64], []step{
		{1, rows(in.Part(0, "a", "b"), in.Part(2, "c")), "3"},
		{2, nil, "0"},
		{3, rows(in.Part(1, "")), "1"},
	})
}
