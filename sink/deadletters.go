package sink

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
)

// DeadLetters is where records of a source go that could not be decoded: JSON lines in dir/_dead/SOURCE, exactly once like any file
// sink (P13). The rows are rdd.DeadLetter's; key and value are base64. Characters of the source's name that are no part of a
// file name are escaped with %.
func DeadLetters(dir, source string) *Spec {
	spec := FilesJSON(filepath.Join(dir, "_dead", url.PathEscape(source)), FileLanes(1)).Spec()
	spec.Name = "dead:" + source
	spec.Text = "dead letters of " + source // where they are kept may change without making another plan
	return spec
}

// deadPerSecond is how many records without a checkpoint are printed a second; more are counted.
const deadPerSecond = 5

// DeadLettersStderr prints records that could not be decoded on the driver's standard error, at most five a second, and counts
// the others: what a job without a checkpoint does (P13). It is at least once.
func DeadLettersStderr(source string) *Spec { return deadLettersTo(source, os.Stderr) }

func deadLettersTo(source string, to io.Writer) *Spec {
	return &Spec{
		Name: "dead:" + source, Kind: "console", Text: "dead letters of " + source, OnDriver: true, Atomic: true,
		Open: func(_ context.Context, env Env, s Schema) (Output, error) {
			lines, err := newLineEncoder(s)
			if err != nil {
				return nil, err
			}
			p := &deadPrinter{lines: lines, to: to, clock: env.Clock}
			return &memoryOutput{deliver: p.print, close: p.report}, nil
		},
	}
}

type deadPrinter struct {
	lines *lineEncoder
	to    io.Writer
	clock clock.Clock

	mu      sync.Mutex // guards the fields below; Close may come while a batch is printed
	second  time.Time  // when the current second began
	printed int        // in it
	skipped int64      // since the last line about them
}

func (p *deadPrinter) print(_ context.Context, _ Batch, rows []arrow.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.clock.Now(); now.Sub(p.second) >= time.Second {
		if err := p.reportSkipped(); err != nil {
			return err
		}
		p.second, p.printed = now, 0
	}
	var text bytesColumn
	for _, rec := range rows {
		n := min(rec.NumRows(), int64(deadPerSecond-p.printed))
		p.skipped += rec.NumRows() - n
		if n == 0 {
			continue
		}
		text.reset()
		if err := p.lines.encode(&text, rec.NewSlice(0, n)); err != nil {
			return err
		}
		for i := range text.Len() {
			if _, err := fmt.Fprintf(p.to, "bad record: %s\n", text.Value(i)); err != nil {
				return err
			}
		}
		p.printed += int(n)
	}
	return nil
}

func (p *deadPrinter) report() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reportSkipped()
}

func (p *deadPrinter) reportSkipped() error {
	if p.skipped == 0 {
		return nil
	}
	_, err := fmt.Fprintf(p.to, "and %d more bad records; run with --checkpoint DIR to keep them\n", p.skipped)
	p.skipped = 0
	return err
}
