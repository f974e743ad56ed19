package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/plugins"
)

// Kind says what an Error is about.
type Kind uint8

// The kinds. All but Refused, Operator and Fenced end the process, which the next call starts again.
const (
	Refused  Kind = iota // it was not started, or does not take such rows: trying again is of no use
	Start                // it did not start
	Operator             // the operator's code failed; the process goes on
	Crash                // the process ended
	Timeout              // no answer within Settings.Call
	Limit                // it used, or answered, more than it may
	Protocol             // it said what makes no sense
	Fenced               // sinks: another owner has the lane
)

var kindNames = [...]string{"refused", "start", "operator", "crash", "timeout", "limit", "protocol", "fenced"}

// String is a word.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is what went wrong with a plugin. Where Kind is Fenced, plugins.IsFenced holds for it.
type Error struct {
	Kind     Kind
	Plugin   string         // name and version, or path before they are known
	Operator string         // "" where it is about the whole process
	Batch    *plugins.Batch // nil where no batch is computed
	Text     string         // what happened, and what to do
	Stack    string         // of the operator's code, if it sent one
	Output   []string       // the last lines on standard error, where the process has ended
	Err      error          // the cause, or nil
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s", e.Plugin)
	if e.Operator != "" {
		fmt.Fprintf(&b, ", operator %q", e.Operator)
	}
	if e.Batch != nil {
		fmt.Fprintf(&b, ", batch %d partition %d", e.Batch.Number, e.Batch.Partition)
	}
	b.WriteString(": ")
	b.WriteString(e.Text)
	if e.Stack != "" {
		b.WriteString("\n" + indent(strings.Split(strings.TrimRight(e.Stack, "\n"), "\n")))
	}
	if len(e.Output) > 0 {
		b.WriteString("\nits last lines on standard error:\n" + indent(e.Output))
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

func indent(lines []string) string {
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("    " + printable(l, maxLine))
	}
	return b.String()
}

// named is err with operator and batch, where it is an Error that has none.
func named(err error, operator string, b *plugins.Batch) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	if c.Operator == "" {
		c.Operator, c.Batch = operator, b
	}
	return &c
}

// printable is text of a plugin as it may stand in a message: at most limit bytes, without control characters.
func printable(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
