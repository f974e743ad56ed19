package driver

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// checkJob refuses what cannot work with these settings.
func (e *engine) checkJob() error {
	if e.cfg.Checkpoint == "" {
		for _, n := range e.plan.Sinks {
			if spec, ok := n.Outlet.(*sink.Spec); ok && spec.Durable && n.Op != "deadLetter" {
				return usagef("%s: sink %s writes each batch exactly once, and that needs a checkpoint: set --checkpoint DIR", n.Site, n.Name)
			}
		}
		e.log.Warn("no --checkpoint: state and position are lost when the job stops")
	}
	if err := e.checkWindows(); err != nil {
		return err
	}
	if e.master.kind == masterLocal {
		return nil
	}
	for _, n := range e.plan.Sources {
		if spec, ok := n.Leaf.(*source.Spec); ok && spec.Local {
			return usagef("%s: source %s lives in one process: use --master local[N]", n.Site, n.Name)
		}
	}
	return nil
}

// checkWindows refuses windows of batch time that a fixed interval does not fit: they would end between two batches (P31).
func (e *engine) checkWindows() error {
	interval := e.cfg.Interval
	if e.cfg.Asap {
		return nil
	}
	var mistakes []error
	for _, n := range e.plan.Wides {
		if n.Wide.Every == 0 {
			continue
		}
		for _, span := range []struct {
			name string
			d    time.Duration
		}{{"window", micros(n.Wide.Reach)}, {"slide", micros(n.Wide.Every)}} {
			if below := span.d / interval * interval; span.d != below {
				mistakes = append(mistakes, fmt.Errorf("%s: %s %v is not a multiple of --interval %v: batches come at its multiples; use %v, or another interval, or --interval asap",
					n.Site, span.name, span.d, interval, below+interval))
			}
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return usageError{err}
	}
	return nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// checkAddresses refuses addresses that would be open to strangers, before anything is touched.
func (e *engine) checkAddresses() error {
	if e.cfg.HTTP != "" {
		if _, err := e.httpAddr(); err != nil {
			return err
		}
	}
	sec, err := e.cfg.security()
	if err != nil || e.master.kind != masterListen {
		return err
	}
	if err := sec.Check("tcp", e.master.addr); err != nil {
		return usageError{fmt.Errorf("--master listen: %w", err)}
	}
	return nil
}
