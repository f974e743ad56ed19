package dstream_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// reading is what a sensor measured, at a second of its own clock.
type reading struct {
	Sensor string
	Second int64
}

func (r reading) when() time.Time { return time.Unix(r.Second, 0) }

// silent tells of sensors of which nothing was heard for five seconds of event time.
func silent(s dstream.Stream[reading]) dstream.Keyed[string, string] {
	return s.KeyBy(func(r reading) string { return r.Sensor }).
		Stateful("silent", func(sensor string, rows []reading, st *dstream.State[int64]) []string {
			if st.Expired() {
				return []string{fmt.Sprintf("silent since %d", st.Get())}
			}
			for _, r := range rows {
				st.Set(max(st.Get(), r.Second))
			}
			st.ExpireAt(time.Unix(st.Get()+5, 0))
			return nil
		}, dstream.EventTimers())
}

// Rows come up to two seconds late. The watermark is the highest time minus these; what has a timer is told when it gets there.
func ExampleStream_EventTime() {
	readings := dstreamtest.Input[reading]("readings")
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return silent(dstream.From(job, readings.Source()).EventTime(reading.when, 2*time.Second))
	},
		rows(readings.Part(0, reading{"a", 10}, reading{"b", 12})),
		rows(readings.Part(0, reading{"b", 16})),
		rows(readings.Part(0, reading{"b", 17}, reading{"a", 9})))
	// Output:
	// batch 1: nothing
	// batch 2: nothing
	// batch 3: a=silent since 10
}

// measured is a reading as columns.
type measured struct {
	Sensor string
	At     time.Time
}

func (m measured) text() string { return fmt.Sprintf("%s at %d", m.Sensor, m.At.Unix()) }

func measuredAt(sensor string, second int64) measured {
	return measured{sensor, time.Unix(second, 0)}
}

// In batch 2 the watermark is at 11: what belongs before 10 is too late for its window.
func ExampleFrame_LateRows() {
	input := dstreamtest.Input[measured]("measured")
	show(func(job *dstream.Job) dstream.Stream[string] {
		counts := dstream.From(job, input.Source()).Frame().EventTime("at", 2*time.Second).
			Window(dstream.Tumbling(10*time.Second)).GroupBy("sensor").Agg("per 10 s", expr.Count().As("n"))
		return counts.LateRows().As[measured]().Map(measured.text)
	},
		rows(input.Part(0, measuredAt("a", 1), measuredAt("b", 13))),
		rows(input.Part(0, measuredAt("a", 9), measuredAt("c", 12))))
	// Output:
	// batch 1: nothing
	// batch 2: a at 9
}

// Alarms with what was measured up to 5 seconds before; and what was measured too late to be found.
func ExampleFrame_LateRightRows() {
	alarms, input := dstreamtest.Input[measured]("alarms"), dstreamtest.Input[measured]("measured")
	show(func(job *dstream.Job) dstream.Stream[string] {
		joined := dstream.From(job, alarms.Source()).Frame().EventTime("at", 0).
			JoinWithin("causes", dstream.From(job, input.Source()).Frame().EventTime("at", 0), dstream.Within(5*time.Second, 0), dstream.On("sensor"), dstream.Suffix("_before"))
		pairs := joined.Select("sensor", "at").As[measured]().Map(func(m measured) string { return "alarm " + m.text() })
		late := joined.LateRightRows().As[measured]().Map(func(m measured) string { return "late " + m.text() })
		return pairs.Union(late)
	},
		rows(alarms.Part(0, measuredAt("a", 20)), input.Part(0, measuredAt("a", 17))),
		rows(alarms.Part(0, measuredAt("a", 21)), input.Part(0, measuredAt("a", 16))))
	// Output:
	// batch 1: alarm a at 20
	// batch 2: alarm a at 21 late a at 16
}

// lamp is turned on and off; room says where it hangs from then on.
type lamp struct {
	ID     string
	Second int64
	Room   string
}

func (l lamp) when() time.Time { return time.Unix(l.Second, 0) }

func lampsOf(job *dstream.Job, in dstreamtest.In[lamp]) dstream.Timed[string, lamp] {
	return dstream.From(job, in.Source()).EventTime(lamp.when, 0).KeyBy(func(l lamp) string { return l.ID }).TimedBy(lamp.when)
}

// Lamps that are switched on, and off within five seconds.
func ExampleTimed_JoinWithin() {
	on, off := dstreamtest.Input[lamp]("on"), dstreamtest.Input[lamp]("off")
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return lampsOf(job, on).JoinWithin("short lights", lampsOf(job, off), dstream.Within(0, 5*time.Second), func(a, b lamp) string {
			return fmt.Sprintf("%ds", b.Second-a.Second)
		})
	},
		rows(on.Part(0, lamp{"a", 10, ""}, lamp{"b", 10, ""})),
		rows(off.Part(0, lamp{"a", 13, ""}, lamp{"b", 17, ""})))
	// Output:
	// batch 1: nothing
	// batch 2: a=3s
}

// Lamps that are switched on, each with the room in which it hung then.
func ExampleTimed_LeftJoinAsOf() {
	on, moved := dstreamtest.Input[lamp]("on"), dstreamtest.Input[lamp]("moved")
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return lampsOf(job, on).LeftJoinAsOf("rooms", lampsOf(job, moved), func(_ lamp, room *lamp) string {
			if room == nil {
				return "nowhere"
			}
			return room.Room
		})
	},
		rows(on.Part(0, lamp{"a", 10, ""}, lamp{"a", 20, ""}), moved.Part(0, lamp{"a", 15, "hall"})),
		rows(on.Part(0, lamp{"b", 30, ""}), moved.Part(0, lamp{"a", 30, "attic"})))
	// Output:
	// batch 1: a=nowhere
	// batch 2: a=hall
}
