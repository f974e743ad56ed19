package expr

import (
	"cmp"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/col"
)

func bindFormat(c *call) (*Bound, error) {
	a, loc, err := c.zoned()
	if err != nil {
		return nil, err
	}
	layout, loc := c.text(0), cmp.Or(loc, time.UTC)
	return heavy(looped(textType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		a := arena{rows: f.n}
		for i, us := range in[0].Ints[:f.n] {
			start := a.room(len(layout) + 16)
			a.buf = time.UnixMicro(us).In(loc).AppendFormat(a.buf, layout)
			out.Texts[i] = a.text(start)
		}
	})), nil
}

func bindParseTime(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	loc, err := location(c.text(1))
	if err != nil {
		return nil, err
	}
	layout, fails, loc := c.text(0), c.op == "parse_time", cmp.Or(loc, time.UTC)
	b := heavy(looped(timeType, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			if out.Null != nil && out.Null[i] {
				continue
			}
			t, err := time.ParseInLocation(layout, s, loc)
			if err == nil {
				out.Ints[i] = t.UnixMicro()
				continue
			}
			if fails {
				f.fail(i, fmt.Sprintf("%s: %s is not of the form %q", c.e, show(in[0], i), layout))
			}
			out.SetNull(i)
		}
	}))
	b.fails = b.fails || fails
	return b, nil
}

// parseTime reads 2006-01-02, or that, T or a blank, and 15:04, 15:04:05 or 15:04:05.999999999, then perhaps Z or +07:00. Digits below
// microseconds are dropped.
func parseTime(s string) (us int64, ok bool) {
	p := digits{s: s}
	y := p.number(4, 0, 9999)
	p.sign('-')
	m := p.number(2, 1, 12)
	p.sign('-')
	d := p.number(2, 1, 31)
	if p.bad {
		return 0, false
	}
	day := dayOf(y, m) + d - 1
	if _, month, _ := civil(day); month != m {
		return 0, false
	}
	us = day * dayMicros
	if p.s == "" {
		return us, true
	}
	if p.s[0] != 'T' && p.s[0] != ' ' && p.s[0] != 't' {
		return 0, false
	}
	p.s = p.s[1:]
	us += p.number(2, 0, 23) * 3600 * secondMicros
	p.sign(':')
	us += p.number(2, 0, 59) * 60 * secondMicros
	if !p.bad && p.s != "" && p.s[0] == ':' {
		p.sign(':')
		us += p.number(2, 0, 59) * secondMicros
		us += p.fraction()
	}
	us -= p.zone()
	return us, !p.bad && p.s == ""
}

// digits reads numbers of a fixed form; bad says that the text has another.
type digits struct {
	s   string
	bad bool
}

func (p *digits) number(n int, lo, hi int64) (v int64) {
	if len(p.s) < n {
		p.bad = true
		return 0
	}
	for i := range n {
		c := p.s[i] - '0'
		p.bad = p.bad || c > 9
		v = v*10 + int64(c)
	}
	p.s = p.s[n:]
	p.bad = p.bad || v < lo || v > hi
	return v
}

func (p *digits) sign(c byte) {
	if p.s == "" || p.s[0] != c {
		p.bad = true
		return
	}
	p.s = p.s[1:]
}

// fraction is what stands behind a point, in µs.
func (p *digits) fraction() (us int64) {
	if p.s == "" || p.s[0] != '.' {
		return 0
	}
	n := 1
	for scale := secondMicros / 10; n < len(p.s) && p.s[n]-'0' <= 9; n, scale = n+1, scale/10 {
		us += int64(p.s[n]-'0') * scale
	}
	p.bad = p.bad || n == 1 || n > 10
	p.s = p.s[n:]
	return us
}

// zone is an offset from UTC in µs.
func (p *digits) zone() int64 {
	switch {
	case p.s == "":
		return 0
	case p.s[0] == 'Z' || p.s[0] == 'z':
		p.s = p.s[1:]
		return 0
	case p.s[0] != '+' && p.s[0] != '-':
		p.bad = true
		return 0
	}
	west := p.s[0] == '-'
	p.s = p.s[1:]
	off := p.number(2, 0, 23) * 60
	if p.s != "" && p.s[0] == ':' {
		p.s = p.s[1:]
	}
	off += p.number(2, 0, 59)
	if west {
		off = -off
	}
	return off * 60 * secondMicros
}
