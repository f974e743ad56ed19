package dstream

import (
	"time"

	"github.com/millrace/millrace/internal/eventwindow"
	"github.com/millrace/millrace/rdd"
)

// Deduplicate lets the first row of each key pass, and the next only if its event time is within or more behind that of the last that passed. Keys are names of columns and
// expressions; options MaxState and ShedOldest may stand among them. A key is forgotten when the watermark is within behind the row that passed, and rows that far behind the watermark
// are late: counted, and dropped. So a copy of a row never passes, whenever it comes. Rows keep their event time, and pass in the batch in which they come, in order
// of (source partition, offset).
func (f Frame) Deduplicate(name string, within time.Duration, keys ...any) Frame {
	at, j := rdd.Caller(), f.job
	keys, opts := splitOptions(keys)
	o := eventSettings(j, at, name, opts)
	for option := range o.set {
		if option != "MaxState" && option != "ShedOldest" {
			j.mistakef(at, "deduplicate: %s is for windows", option)
		}
	}
	d := &eventwindow.Dedup{Name: name, Schema: f.Schema(), Within: within.Microseconds(), Emit: o.emit}
	ok := true
	if within < time.Microsecond || len(keys) == 0 {
		j.mistakef(at, "deduplicate: %d keys within %v; at least one key, and a microsecond", len(keys), within)
		ok = false
	}
	for _, k := range f.f.BindAll(at, "deduplicate", keys...) {
		d.Keys, ok = append(d.Keys, k), ok && k != nil
	}
	if d.Time, d.Shift = f.eventTime(at, "deduplicate"); d.Time == nil || !ok {
		return f
	}
	if err := d.Prepare(); err != nil {
		j.mistakef(at, "deduplicate: %v", err)
		return f
	}
	if d.Emit.MaxBytes = o.max; d.Emit.Shed {
		d.Emit.MaxRows = o.max / eventwindow.RowBytes(d.Key, d.State)
	}
	in := f.f.Accepted(at, d.Keys...)
	n := j.b.Add(at, &rdd.Node{Kind: rdd.Wide, Op: "deduplicate", Name: name, In: []*rdd.Node{in.Node()}, Val: f.node().Val, Exprs: d.Keys, Wide: &rdd.WideSpec{
		Inputs: []rdd.Input{d.Input()}, New: d.New, State: true, StateKey: d.Key, StateVal: d.State, Event: true, Facts: "within " + within.String(),
	}})
	column, offset, _ := f.f.Time()
	return Frame{j, rdd.FrameOf(j.b, n).Timed(column, offset)}
}

// splitOptions takes the options out of a list of keys.
func splitOptions(list []any) (keys []any, opts []WindowedOption) {
	for _, v := range list {
		if o, is := v.(WindowedOption); is {
			opts = append(opts, o)
			continue
		}
		keys = append(keys, v)
	}
	return keys, opts
}
