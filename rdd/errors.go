package rdd

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// Record is Arrow's record batch; the alias keeps signatures short.
type Record = arrow.Record

// UserError is a failure of user code: a panic, or an error that it returned.
type UserError struct {
	Op, Name, Site string // the operator
	Batch          int64
	Node, Part     int    // Part -1: it happened in no partition, but while the batch's plan was built
	Source         string // where known: the source's name and the record
	Partition      int
	Offset         int64  // -1 where unknown (behind a shuffle)
	Key            string // behind a shuffle, where known
	Cause          string // the panic's value or the error
	Stack          string // the user's frames first; empty for errors

	gathered bool // it happened to rows of several chunks at once
}

func (e *UserError) Error() string {
	where := fmt.Sprintf("batch %d, partition %d", e.Batch, e.Part)
	if e.Part < 0 {
		where = fmt.Sprintf("batch %d", e.Batch)
	}
	if e.Offset >= 0 {
		where = fmt.Sprintf("batch %d, source %s partition %d offset %d", e.Batch, e.Source, e.Partition, e.Offset)
	} else if e.Key != "" {
		where += ", key " + e.Key
	}
	op := e.Op
	if e.Name != "" {
		op += fmt.Sprintf(" %q", e.Name)
	}
	s := fmt.Sprintf("%s (%s): %s: %s", op, e.Site, where, e.Cause)
	if e.Stack != "" {
		s += "\n" + e.Stack
	}
	return s
}

// BadRecordError stops a job that runs with --on-bad-record stop.
type BadRecordError struct {
	Source    string
	Partition int   // behind a shuffle, that of the task
	Offset    int64 // -1: not known
	Reason    string
}

func (e *BadRecordError) Error() string {
	at := fmt.Sprintf("source %s partition %d offset %d", e.Source, e.Partition, e.Offset)
	if e.Offset < 0 {
		at = fmt.Sprintf("source %s, task %d", e.Source, e.Partition)
	}
	return at + ": bad record: " + e.Reason + "; fix the record's producer, or run with --on-bad-record keep to set such records aside"
}
