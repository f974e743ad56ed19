package driver

import (
	"fmt"

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

// checkWindows refuses windows of batch time that a fixed interval does not fit (P31).
func (e *engine) checkWindows() error {
	if e.cfg.Asap {
		return nil
	}
	if err := e.plan.Fit(e.cfg.Interval); err != nil {
		return usageError{err}
	}
	return nil
}

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
