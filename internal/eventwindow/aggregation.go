package eventwindow

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Emit says when windows show their results. The zero value: once, when the watermark has passed the window's end.
type Emit struct {
	Lateness int64 // µs; closed windows take rows for so long, and show each change
	OnChange bool  // in each batch, the windows that it changed
	Every    int64 // µs of batch time; at its multiples, open windows that have changed since they were shown. 0: never
	Rows     int64 // global windows: when the number of a key's rows passes a multiple. 0: never
	MaxRows  int64 // rows of state over all partitions; 0: no limit
	MaxBytes int64 // of state over all partitions; 0: no limit
	Shed     bool  // at MaxRows the windows that end first go, in place of an error
}

// String is what of e decides results, for the plan's text.
func (e Emit) String() string {
	text := ""
	add := func(format string, args ...any) { text += ", " + fmt.Sprintf(format, args...) }
	if e.Lateness > 0 {
		add("lateness %v", micros(e.Lateness))
	}
	if e.OnChange {
		add("on change")
	}
	if e.Every > 0 {
		add("early every %v", micros(e.Every))
	}
	if e.Rows > 0 {
		add("every %d rows", e.Rows)
	}
	if e.Shed {
		add("shed oldest above %d rows", e.MaxRows)
	}
	return text
}

// Aggregation is an operator that keeps aggregates of windows. It is immutable once Prepare has returned nil.
type Aggregation struct {
	Name  string
	Spec  Spec
	Emit  Emit
	Time  *expr.Bound // nil by batch time
	Shift int64       // µs that are added to Time
	Keys  []*expr.Bound
	Set   *agg.Set
	Rows  *arrow.Schema // of the input; windows of so many rows need it

	Block   *arrow.Schema // of what tasks send
	Out     *arrow.Schema // of results
	Both    *arrow.Schema // of results and late rows, if the operator gives those too
	Key     *row.Codec    // of the state: the keys and the window's beginning
	State   *row.Codec    // what is kept of a window: partial aggregates
	startAt int           // column of Key that is the window's beginning
	names   []arrow.Field // of the keys
	owner   *row.Codec    // sessions: of the keys, or of a constant where there are none
	panes   *row.Codec    // sessions: of the keys and the part of time
	heads   int           // columns of the state before the partial aggregates: the number of rows, where it matters
}

var timeType = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

func timeField(name string) arrow.Field { return arrow.Field{Name: name, Type: timeType} }

// Prepare derives schemas. The error is about names that are there twice, and types that may not be keys.
func (a *Aggregation) Prepare() (err error) {
	a.names = nil
	for _, k := range a.Keys {
		a.names = append(a.names, k.Field())
	}
	windowed := a.names
	if a.Spec.Timed() {
		windowed = append(slices.Clone(a.names), timeField("window_start"), timeField("window_end"))
	}
	if _, err = row.OfSchema(arrow.NewSchema(append(slices.Clone(windowed), a.Set.Result()...), nil)); err != nil {
		return err
	}
	a.Out = arrow.NewSchema(append(windowed, a.Set.Result()...), nil)
	if a.Spec.Kind == Session {
		return a.prepareSession()
	}
	if a.Key, err = keyCodec(append(slices.Clone(a.names), timeField("window_start"))); err != nil {
		return err
	}
	a.startAt = len(a.names)
	kept := a.Set.Partial().Fields()
	if a.Emit.Rows > 0 || a.Spec.Kind == Count {
		kept, a.heads = append([]arrow.Field{rowsField}, kept...), 1
	}
	if a.Spec.Kind == Count {
		if a.owner, err = keyCodec(ownerFields(a.names)); err != nil {
			return err
		}
		a.Key = a.owner
	}
	if a.State, err = row.OfSchema(arrow.NewSchema(kept, nil)); err != nil {
		return err
	}
	head := append(slices.Clone(a.names), timeField("window_start"), rowsField)
	a.Block = arrow.NewSchema(append(head, a.Set.Partial().Fields()...), nil)
	return nil
}

// rowsField is how many rows a block's row stands for.
var rowsField = arrow.Field{Name: "_rows", Type: arrow.PrimitiveTypes.Int64}

// Bounds are the columns that results have of windows.
func Bounds() []arrow.Field { return []arrow.Field{timeField("window_start"), timeField("window_end")} }

func (a *Aggregation) prepareSession() (err error) {
	who := ownerFields(a.names)
	if a.owner, err = keyCodec(who); err != nil {
		return err
	}
	if a.panes, err = keyCodec(append(slices.Clone(who), timeField("window_start"))); err != nil {
		return err
	}
	place := append([]arrow.Field{{Name: "_part", Type: arrow.PrimitiveTypes.Uint8}}, who...)
	if a.Key, err = row.OfGroupedSchema(arrow.NewSchema(append(place, arrow.Field{Name: "_slot", Type: arrow.PrimitiveTypes.Int32}), nil)); err != nil {
		return err
	}
	span := Bounds()
	if a.State, err = row.OfSchema(arrow.NewSchema(append(slices.Clone(span), a.Set.Partial().Fields()...), nil)); err != nil {
		return err
	}
	a.Block = arrow.NewSchema(append(append(append(slices.Clone(who), span...), rowsField), a.Set.Partial().Fields()...), nil)
	return nil
}

// keyCodec is the codec of keys with these columns.
func keyCodec(fields []arrow.Field) (*row.Codec, error) {
	c, err := row.OfSchema(arrow.NewSchema(fields, nil))
	if err == nil {
		err = c.CheckKey()
	}
	return c, err
}

// mark is by what the windows are judged in this batch (P29): by batch time nothing is late, and what the batch's time has reached closes. The final batch closes all,
// of windows of batch time that overlap the one that is open: the others would show parts of it.
func (a *Aggregation) mark(ctx *task.Context) task.Mark {
	m := task.Mark{Before: task.NoTime, After: task.NoTime}
	switch {
	case a.Time != nil:
		m = ctx.Marks[0]
	case a.Spec.Batch:
		m.After = ctx.Time
	}
	switch {
	case ctx.Final && a.Spec.Batch && a.Spec.Kind == Sliding && a.Spec.Slide < a.Spec.Size:
		past := a.Spec.Size + a.Spec.Offset
		m.After = ceil(ctx.Time-past, a.Spec.Slide) + past
	case ctx.Final:
		m.After = task.EndOfTime
	}
	return m
}
