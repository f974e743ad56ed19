package eventwindow

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func at(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixMicro()
}

// windowsOf are the windows of one time, with the panes on the way checked.
func windowsOf(a *Assigner, ts int64) (starts, ends []int64) {
	out := []int64{0}
	a.Panes([]int64{ts}, out)
	starts = a.Windows(out[0], nil)
	for _, s := range starts {
		ends = append(ends, a.End(s))
	}
	return starts, ends
}

func TestSlidingWindowsByHand(t *testing.T) {
	// size 5, slide 2:   time  0 1 2 3 4 5 6 7 8
	//                          [0       5)
	//                              [2       7)
	//                                  [4       9)
	for _, c := range []struct {
		size, slide, offset, time int64
		want                      []int64
	}{
		{5, 2, 0, 4, []int64{0, 2, 4}},
		{5, 2, 0, 5, []int64{2, 4}},
		{5, 2, 1, 5, []int64{1, 3, 5}},
		{10, 10, 0, 19, []int64{10}},
		{10, 10, 0, 20, []int64{20}},
		{10, 10, 0, -1, []int64{-10}},
		{10, 10, 3, 2, []int64{-7}},
		{2, 5, 0, 6, []int64{5}},
		{2, 5, 0, 7, nil}, // between [5, 7) and [10, 12)
		{2, 5, 0, -4, []int64{-5}},
	} {
		a := Spec{Kind: Sliding, Size: c.size, Slide: c.slide, Offset: c.offset}.Assigner()
		if got, _ := windowsOf(a, c.time); !slices.Equal(got, c.want) {
			t.Errorf("size %d slide %d offset %d time %d: %v, want %v", c.size, c.slide, c.offset, c.time, got, c.want)
		}
	}
}

// Against the definition: window k is [k·slide + offset, k·slide + offset + size).
func TestSlidingWindowsAreThoseOfTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		s := Spec{Kind: Sliding, Size: 1 + r.Int64N(40), Slide: 1 + r.Int64N(40), Offset: r.Int64N(20) - 10}
		ts := r.Int64N(400) - 200
		var want []int64
		for k := int64(-500); k < 500; k++ {
			if from := k*s.Slide + s.Offset; from <= ts && ts < from+s.Size {
				want = append(want, from)
			}
		}
		got, ends := windowsOf(s.Assigner(), ts)
		if !slices.Equal(got, want) {
			t.Fatalf("%v at %d: %v, want %v", s, ts, got, want)
		}
		for i := range got {
			if ends[i] != got[i]+s.Size {
				t.Fatalf("%v: window %d ends at %d", s, got[i], ends[i])
			}
		}
	}
}

func TestExtremeTimesDoNotOverflow(t *testing.T) {
	for _, s := range []Spec{{Kind: Sliding, Size: maxSize, Slide: day}, {Kind: Days, Size: 1}, {Kind: Months, Size: 7, Zone: "America/Havana"}, {Kind: DayParts, Size: day / 24}} {
		a := s.Assigner()
		for _, ts := range []int64{-1 << 63, 1<<63 - 1} {
			starts, ends := windowsOf(a, ts)
			for i := range starts {
				if starts[i] >= ends[i] {
					t.Errorf("%v at %d: [%d, %d)", s, ts, starts[i], ends[i])
				}
			}
			if len(starts) == 0 {
				t.Errorf("%v at %d: no window", s, ts)
			}
		}
	}
}

// Days and months by the clock on the wall: on 31 March 2024 Berlin's day has 23 hours, on 27 October 25; Havana's clocks skip the midnight of 10 March.
func TestCalendarWindowsByHand(t *testing.T) {
	for name, c := range map[string]struct {
		spec     Spec
		time     string
		from, to string
	}{
		"utc day":          {Spec{Kind: Days, Size: 1}, "2024-02-29T23:59:59Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		"berlin":           {Spec{Kind: Days, Size: 1, Zone: "Europe/Berlin"}, "2024-01-01T23:30:00Z", "2024-01-01T23:00:00Z", "2024-01-02T23:00:00Z"},
		"23 hours":         {Spec{Kind: Days, Size: 1, Zone: "Europe/Berlin"}, "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"},
		"25 hours":         {Spec{Kind: Days, Size: 1, Zone: "Europe/Berlin"}, "2024-10-27T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"},
		"from six":         {Spec{Kind: Days, Size: 1, Zone: "Europe/Berlin", Offset: day / 4}, "2024-03-31T03:59:59Z", "2024-03-30T05:00:00Z", "2024-03-31T04:00:00Z"},
		"no midnight":      {Spec{Kind: Days, Size: 1, Zone: "America/Havana"}, "2024-03-10T12:00:00Z", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"},
		"before it":        {Spec{Kind: Days, Size: 1, Zone: "America/Havana"}, "2024-03-10T04:59:59Z", "2024-03-09T05:00:00Z", "2024-03-10T05:00:00Z"},
		"two midnights":    {Spec{Kind: Days, Size: 1, Zone: "America/Havana"}, "2024-11-03T04:30:00Z", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},
		"hour by hour":     {Spec{Kind: DayParts, Size: day / 24, Zone: "Europe/Berlin"}, "2024-10-27T00:30:00Z", "2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z"},
		"the hour again":   {Spec{Kind: DayParts, Size: day / 24, Zone: "Europe/Berlin"}, "2024-10-27T01:30:00Z", "2024-10-27T01:00:00Z", "2024-10-27T02:00:00Z"},
		"last part":        {Spec{Kind: DayParts, Size: day / 2, Zone: "Europe/Berlin"}, "2024-10-27T22:30:00Z", "2024-10-27T22:00:00Z", "2024-10-27T23:00:00Z"},
		"half hours":       {Spec{Kind: DayParts, Size: day / 24, Zone: "Asia/Kolkata"}, "2024-01-01T00:00:00Z", "2023-12-31T23:30:00Z", "2024-01-01T00:30:00Z"},
		"month":            {Spec{Kind: Months, Size: 1, Zone: "Europe/Berlin"}, "2024-03-31T23:00:00Z", "2024-03-31T22:00:00Z", "2024-04-30T22:00:00Z"},
		"quarter":          {Spec{Kind: Months, Size: 3}, "2024-05-15T00:00:00Z", "2024-04-01T00:00:00Z", "2024-07-01T00:00:00Z"},
		"before the epoch": {Spec{Kind: Months, Size: 12}, "1969-05-15T00:00:00Z", "1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		"week":             {Spec{Kind: Days, Size: 7}, "1970-01-10T00:00:00Z", "1970-01-08T00:00:00Z", "1970-01-15T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			starts, ends := windowsOf(c.spec.Assigner(), at(t, c.time))
			if len(starts) != 1 || starts[0] != at(t, c.from) || ends[0] != at(t, c.to) {
				t.Errorf("%v: [%v, %v), want [%s, %s)", c.spec, time.UnixMicro(starts[0]).UTC(), time.UnixMicro(ends[0]).UTC(), c.from, c.to)
			}
		})
	}
}

// Windows of a calendar follow each other without a gap, whatever the zone does, and every time is in its own.
func TestCalendarWindowsCoverTime(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu"} {
		for _, s := range []Spec{{Kind: Days, Size: 1}, {Kind: Days, Size: 7, Offset: -day / 24}, {Kind: Months, Size: 1}, {Kind: DayParts, Size: day / 24}, {Kind: DayParts, Size: day / 3, Offset: day / 48}} {
			s.Zone = zone
			a := s.Assigner()
			for range 200 {
				ts := at(t, "1985-01-01T00:00:00Z") + r.Int64N(40*365*day)
				starts, ends := windowsOf(a, ts)
				if len(starts) != 1 || ts < starts[0] || ts >= ends[0] {
					t.Fatalf("%v: %v is in %v to %v", s, time.UnixMicro(ts).UTC(), starts, ends)
				}
				next, _ := windowsOf(s.Assigner(), ends[0])
				last, _ := windowsOf(s.Assigner(), ends[0]-1)
				if next[0] != ends[0] || last[0] != starts[0] {
					t.Fatalf("%v: behind the window from %d to %d comes the one from %d; its last moment is in the one from %d", s, starts[0], ends[0], next[0], last[0])
				}
			}
		}
	}
}

func TestSpecCheck(t *testing.T) {
	for want, s := range map[string]Spec{
		"a window lasts a microsecond at least, and slides by one at least": {Kind: Sliding, Size: 0, Slide: 1},
		"an Offset is for windows that are aligned to the clock":            {Kind: Session, Size: 1, Offset: 1},
		"ByBatchTime is for windows of time":                                {Kind: Count, Size: 1, Batch: true},
		"a window of 0 rows: 1 to 1000000":                                  {Kind: Count},
		"an offset of 25h0m0s: at most a day":                               {Kind: Days, Size: 1, Offset: 25 * day / 24},
	} {
		if err := s.Check(); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", s, err, want)
		}
	}
	if err := (Spec{Kind: Sliding, Size: 60e6, Slide: 7e6 + 1}).Check(); err == nil {
		t.Error("a minute by 7 s and a microsecond has too many panes")
	}
	if s, err := (Spec{Kind: Sliding, Size: day / 24, Slide: day / 24}).InZone("Asia/Kolkata"); err != nil || s.String() != "tumbling 1h0m0s in Asia/Kolkata" {
		t.Errorf("%v, %v", s, err)
	}
	for _, s := range []Spec{{Kind: Sliding, Size: 7, Slide: 7 * day / 24}, {Kind: Session, Size: 1}, {Kind: Sliding, Size: 11 * day, Slide: 11 * day}} {
		if _, err := s.InZone("Europe/Berlin"); err == nil {
			t.Errorf("%v is not for zones", s)
		}
	}
	if _, err := (Spec{Kind: Days, Size: 1}).InZone("Europe/Berln"); err == nil {
		t.Error("no such zone")
	}
}

func BenchmarkPanes(b *testing.B) {
	times := make([]int64, 2048)
	for i := range times {
		times[i] = 1_700_000_000_000_000 + int64(i)*1000
	}
	out := make([]int64, len(times))
	for name, s := range map[string]Spec{"tumbling": {Kind: Sliding, Size: 60e6, Slide: 60e6}, "months": {Kind: Months, Size: 1, Zone: "Europe/Berlin"}} {
		a := s.Assigner()
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a.Panes(times, out)
			}
			b.ReportMetric(float64(b.N)*float64(len(times))/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
