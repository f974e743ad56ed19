package sink

import (
	"errors"

	"github.com/millrace/millrace/internal/assert"
)

// rollIfDue starts rolling what is pending, if it is large or old enough and no roll runs.
func (l *fileLane) rollIfDue() {
	if l.rolling != nil || len(l.pending) == 0 || l.fail != nil || !l.due && l.pendingBytes < l.w.opts.rollSize {
		return
	}
	if err := l.swap(); err != nil {
		// Everything pending is durable where it is. The timer stays due: the next event tries again.
		l.w.log.Warn("rolling a file put off", "dir", l.w.dir, "lane", l.w.lane, "error", err)
		return
	}
	l.startRoller()
}

// swap hands what is pending to the roller and goes on in the other journal. Batches that are staged and not yet published
// move there; if the process ends in between they are staged again.
func (l *fileLane) swap() error {
	from, to := l.journals[l.current], l.journals[1-l.current]
	l.gen++
	if err := to.restart(l.gen); err != nil {
		return err
	}
	moved := make([]*stagedBatch, len(l.staged))
	for i, s := range l.staged {
		m := &stagedBatch{number: s.number, rows: s.rows}
		piece := frame{kind: kindData, flags: flagFirst, batch: s.number, rows: uint32(s.rows)}
		next := payloads(from.f, []*stagedBatch{s})
		for {
			payload, err := next()
			if err != nil {
				return err
			}
			if payload == nil {
				break
			}
			at, err := to.append(piece, payload)
			if err != nil {
				return err
			}
			m.extents = append(m.extents, at)
			piece.flags, piece.rows = 0, 0
		}
		moved[i] = m
	}
	l.current, l.staged = 1-l.current, moved
	l.rolling, l.pending, l.pendingBytes = l.pending, nil, 0
	l.timer, l.due = nil, false
	return nil
}

// startRoller rolls l.rolling, out of the journal that is not current, beside the lane's goroutine. run waits for it.
func (l *fileLane) startRoller() {
	assert.True(l.rolled == nil && l.rolling != nil, "lane %d: two rolls at once", l.w.lane)
	batches, from := l.rolling, l.journals[1-l.current].f
	done := make(chan error, 1)
	l.rolled = done
	l.g.Go(func() error {
		err := l.w.roll(batches, payloads(from, batches))
		if err == nil {
			err = l.w.maintain()
		}
		done <- err
		return nil
	})
}

// finishRoll takes the roller's answer. After an error other than ErrFenced the next call of the lane tries again.
func (l *fileLane) finishRoll(err error) {
	l.rolled = nil
	switch {
	case errors.Is(err, ErrFenced):
		l.fail = err
	case err != nil:
		l.w.log.Warn("rolling a file failed, to be tried again", "dir", l.w.dir, "lane", l.w.lane, "error", placeError(l.w.dir, err))
	default:
		l.rolling = nil
		l.journals[1-l.current].cut(0)
	}
}

// waitRoll waits for a roll that runs.
func (l *fileLane) waitRoll() error {
	if l.rolled == nil {
		return nil
	}
	err := <-l.rolled
	l.finishRoll(err)
	return err
}
