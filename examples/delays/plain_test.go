package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// year is the files of examples/flights, read by a plain program.
type year struct {
	flights []flight // in the order in which they left
	weather []string // lines, in the order of hours
	seats   map[string]int64
	wind    map[place]*float64
	visib   map[place]*float64
}

// place is an airport in an hour.
type place struct {
	origin string
	hour   time.Time
}

type flight struct {
	line    string
	origin  string
	text    string // the schedule as it stands in the file
	due     time.Time
	tailnum string
	delay   int64
}

func (f flight) hour() time.Time { return f.due.Truncate(time.Hour) }

// hour is a row of the job's result.
type hour struct {
	Origin         string    `json:"origin"`
	Hour           time.Time `json:"hour"`
	Flights        int64     `json:"flights"`
	MeanDelay      *float64  `json:"mean_delay"`
	MaxDelay       *int64    `json:"max_delay"`
	LateShare      *float64  `json:"late_share"`
	Seats          *int64    `json:"seats"`
	MeanDelaySmall *float64  `json:"mean_delay_small"`
	MeanDelayLarge *float64  `json:"mean_delay_large"`
	WindSpeed      *float64  `json:"wind_speed"`
	Visib          *float64  `json:"visib"`
}

func (h hour) before(o hour) int {
	return cmp.Or(h.Hour.Compare(o.Hour), cmp.Compare(h.Origin, o.Origin))
}

// lateRow is a row of the job's late ones.
type lateRow struct {
	Origin    string `json:"origin"`
	Scheduled string `json:"scheduled"`
	Delay     int64  `json:"delay"`
}

func (l lateRow) before(o lateRow) int {
	return cmp.Or(cmp.Compare(l.Scheduled, o.Scheduled), cmp.Compare(l.Origin, o.Origin), cmp.Compare(l.Delay, o.Delay))
}

func lateRows(late []flight) (rows []lateRow) {
	for _, f := range late {
		rows = append(rows, lateRow{f.origin, f.text, f.delay})
	}
	slices.SortFunc(rows, lateRow.before)
	return rows
}

// hours is the job's result for some of the flights, by loops and maps.
func (y *year) hours(some []flight) (rows []hour) {
	groups := map[place][]flight{}
	for _, f := range some {
		at := place{f.origin, f.hour()}
		groups[at] = append(groups[at], f)
	}
	for at, group := range groups {
		h := hour{Origin: at.origin, Hour: at.hour, Flights: int64(len(group))}
		var all, late, small, large []int64
		for _, f := range group {
			all, late = append(all, f.delay), append(late, 0)
			if f.delay > 15 {
				late[len(late)-1] = 1
			}
			seats, known := y.seats[f.tailnum]
			switch {
			case !known:
				continue
			case seats < 100:
				small = append(small, f.delay)
			default:
				large = append(large, f.delay)
			}
			if h.Seats == nil {
				h.Seats = new(int64)
			}
			*h.Seats += seats
		}
		most := slices.Max(all)
		h.MaxDelay, h.MeanDelay, h.LateShare = &most, mean(all, 10), mean(late, 100)
		h.MeanDelaySmall, h.MeanDelayLarge = mean(small, 10), mean(large, 10)
		for back := range 4 { // measurements are on the hour
			before := place{at.origin, at.hour.Add(-time.Duration(back) * time.Hour)}
			if visib, ok := y.visib[before]; ok {
				h.Visib = visib
				if wind := y.wind[before]; wind != nil {
					h.WindSpeed = round(*wind, 10)
				}
				break
			}
		}
		rows = append(rows, h)
	}
	slices.SortFunc(rows, hour.before)
	return rows
}

// mean is rounded to one part in by, and nil of nothing.
func mean(of []int64, by float64) *float64 {
	if len(of) == 0 {
		return nil
	}
	sum := int64(0)
	for _, n := range of {
		sum += n
	}
	return round(float64(sum)/float64(len(of)), by)
}

func round(x, by float64) *float64 {
	x = math.Round(x*by) / by
	return &x
}

func readYear(t *testing.T) *year {
	t.Helper()
	y := &year{seats: map[string]int64{}, wind: map[place]*float64{}, visib: map[place]*float64{}}
	newYork, err := time.LoadLocation("America/New_York")
	check(t, err)
	lines := bufio.NewScanner(open(t, "departures.jsonl.gz"))
	for lines.Scan() {
		var d struct {
			Scheduled, Origin, Tailnum string
			Delay                      int64
		}
		check(t, json.Unmarshal(lines.Bytes(), &d))
		due, err := time.ParseInLocation("2006-01-02T15:04", d.Scheduled, newYork)
		check(t, err)
		y.flights = append(y.flights, flight{lines.Text(), d.Origin, d.Scheduled, due.UTC(), d.Tailnum, d.Delay})
	}
	check(t, lines.Err())
	for _, l := range records(t, open(t, "planes.csv")) {
		seats, err := strconv.ParseInt(l[6], 10, 64)
		check(t, err)
		y.seats[l[0]] = seats
	}
	y.readWeather(t)
	return y
}

func (y *year) readWeather(t *testing.T) {
	t.Helper()
	measured := records(t, open(t, "weather.csv.gz"))
	slices.SortStableFunc(measured, func(a, b []string) int { return cmp.Compare(a[14], b[14]) })
	number := func(s string) *float64 {
		if s == "NA" {
			return nil
		}
		x, err := strconv.ParseFloat(s, 64)
		check(t, err)
		return &x
	}
	for _, l := range measured {
		at, err := time.Parse(time.RFC3339, l[14])
		check(t, err)
		if at != at.Truncate(time.Hour) {
			t.Fatalf("weather of %v is not on the hour", at)
		}
		y.wind[place{l[0], at}], y.visib[place{l[0], at}] = number(l[9]), number(l[13])
		y.weather = append(y.weather, strings.Join(l, ","))
	}
}

// open is one of the files, unpacked.
func open(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open("../flights/data/" + name)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	if name[len(name)-3:] != ".gz" {
		return f
	}
	z, err := gzip.NewReader(f)
	check(t, err)
	return z
}

// records are the lines of a CSV file behind its header.
func records(t *testing.T, r io.Reader) [][]string {
	t.Helper()
	all, err := csv.NewReader(r).ReadAll()
	check(t, err)
	return all[1:]
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
