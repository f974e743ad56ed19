package commitlog

import (
	"errors"
	"fmt"
)

// Sentinels that callers branch on with errors.Is; every message names what it is about.
var (
	ErrNoLog       = errors.New("there is no log")                             // by Open
	ErrNoTopic     = errors.New("topic does not exist")                        // by Log.Topic
	ErrTopicExists = errors.New("topic exists already")                        // by Log.Create
	ErrNoPartition = errors.New("partition does not exist")                    // by Topic's methods that take a partition
	ErrOffsetGone  = errors.New("offset is gone")                              // by Topic.Reader and Reader.Next: retention removed it
	ErrBeyondEnd   = errors.New("offset is beyond the end")                    // by Topic.Reader: the log was replaced or truncated (P11)
	ErrLocked      = errors.New("another process is writing this partition")   // by Topic.Writer and Topic.Own
	ErrFenced      = errors.New("another owner has taken this partition over") // by Topic.Own and every Writer method (I9)
	ErrDamaged     = errors.New("damaged")                                     // bytes do not match their checksum; see DamagedError
	ErrTooLong     = errors.New("record is too long")                          // by Batch.Add and Writer.Add: over MaxRecord
	ErrClosed      = errors.New("closed")                                      // by Writer and Reader after Close
)

// DamagedError says where the log cannot be read back. It is an ErrDamaged.
type DamagedError struct {
	Topic     string
	Partition int
	Offset    int64  // of the first record that cannot be read
	File      string // segment
	Pos       int64  // byte in File at which the damaged frame begins
	Reason    string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("topic %s partition %d offset %d: %s byte %d: damaged: %s; restore the file from a copy, or start readers behind it",
		e.Topic, e.Partition, e.Offset, e.File, e.Pos, e.Reason)
}

// Unwrap is ErrDamaged.
func (e *DamagedError) Unwrap() error { return ErrDamaged }

// offsetError tells both offsets of a read outside of the log.
func offsetError(p *partition, sentinel error, want int64, b Bounds) error {
	if errors.Is(sentinel, ErrOffsetGone) {
		return fmt.Errorf("topic %s partition %d: offset %d: %w: the earliest is %d", p.topic, p.num, want, sentinel, b.Start)
	}
	return fmt.Errorf("topic %s partition %d: offset %d: %w, which is %d: the log was replaced or truncated", p.topic, p.num, want, sentinel, b.End)
}
