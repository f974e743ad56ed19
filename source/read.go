package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/rdd"
)

// Range is a part of a source for Read: offsets [From, Until) of one partition.
type Range struct {
	Partition string // its key: "3" for a topic's partition 3
	From      int64
	Until     int64 // 0: up to what there is when it is read
}

// Read is what a source holds, as bounded data for a batch program (driver.RunBatch), or for data that a job pins: all of it, from where the source's
// options begin to what there is at the moment when it is computed, or the given ranges. A range that retention has cut into is ErrOffsetGone, one beyond the end
// ErrBeyondEnd. Sources without an end (TCPText, Rate) are mistakes.
//
// It is read anew each time that something is computed from it.
func Read[T any](s Source[T], ranges ...Range) rdd.RDD[T] {
	b := &rdd.Builder{}
	if s.spec == nil {
		b.Mistakef(rdd.Caller(), "the source is empty; make one with a function of package source")
		return rdd.From[T](b, "empty", &Spec{})
	}
	spec := *s.spec
	if len(ranges) > 0 {
		spec.Bound = func(parts []Partition) ([]Partition, error) { return bound(parts, ranges) }
		var texts []string
		for _, r := range ranges {
			texts = append(texts, fmt.Sprintf("%s[%d, %d)", r.Partition, r.From, r.Until))
		}
		spec.Text += ", ranges " + strings.Join(texts, " ")
	}
	switch {
	case spec.Err != nil:
		b.Mistakef(rdd.Caller(), "source %q: %v", spec.Name, spec.Err)
	case spec.Kind == "tcp" || spec.Kind == "rate":
		b.Mistakef(rdd.Caller(), "source %q has no end, and a batch program reads what has one: read files, a topic or memory", spec.Name)
	}
	return rdd.From[T](b, spec.Name, &spec)
}

// bound are the partitions that ranges name, cut to them, in order of the ranges.
func bound(parts []Partition, ranges []Range) ([]Partition, error) {
	var out []Partition
	for _, r := range ranges {
		i := slices.IndexFunc(parts, func(p Partition) bool { return p.Key == r.Partition })
		if i < 0 {
			return nil, fmt.Errorf("there is no partition %q to read offsets %d to %d of", r.Partition, r.From, r.Until)
		}
		p := parts[i]
		switch {
		case r.Until != 0 && r.Until < r.From:
			return nil, fmt.Errorf("partition %s: offsets %d to %d: a range ends behind where it begins", p.Key, r.From, r.Until)
		case r.Until > p.End || r.From > p.End:
			return nil, fmt.Errorf("partition %s: offsets %d to %d, and the end is %d: %w", p.Key, r.From, r.Until, p.End, ErrBeyondEnd)
		}
		p.Start = r.From
		if r.Until != 0 {
			p.End = r.Until
		}
		out = append(out, p)
	}
	return out, nil
}
