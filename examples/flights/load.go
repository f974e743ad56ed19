package flights

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/commitlog"
)

// WeatherTopic is the log topic that Load writes the weather into.
const WeatherTopic = "weather"

// WeatherColumns are the columns of a line of the weather: an airport's in one hour. NA stands for what was not measured.
var WeatherColumns = []string{
	"origin", "year", "month", "day", "hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib", "time_hour",
}

// Load writes the year into topics of the embedded log in dir, which it makes if need be: the departures as JSON in the order in which they happened, in two partitions, and
// the weather as lines of CSV in the order of hours. A topic that holds it already stays as it is; one that holds something else is an error.
func Load(ctx context.Context, dir string) error {
	log, err := commitlog.Create(dir, commitlog.Options{})
	if err != nil {
		return err
	}
	var departed [][]byte
	err = lines(func(_ time.Time, line []byte) error {
		departed = append(departed, slices.Clone(line))
		return nil
	})
	weather, werr := weatherLines()
	if err := errors.Join(err, werr); err != nil {
		return errors.Join(err, log.Close())
	}
	return errors.Join(fill(ctx, log, Topic, 2, departed), fill(ctx, log, WeatherTopic, 1, weather), log.Close())
}

// fill writes lines into a topic that is empty or not there.
func fill(ctx context.Context, log *commitlog.Log, name string, partitions int, lines [][]byte) error {
	topic, err := log.Ensure(name, commitlog.Settings{Partitions: partitions, RetainAge: -1})
	if err != nil {
		return err
	}
	there, err := length(topic)
	switch {
	case err != nil:
		return err
	case there == int64(len(lines)):
		return nil
	case there > 0:
		return fmt.Errorf("topic %s holds %d records, and the bundled file has %d lines: remove the topic's folder, or use another log", name, there, len(lines))
	}
	p, err := topic.Producer()
	if err != nil {
		return err
	}
	for _, line := range lines {
		if err := errors.Join(p.Send(nil, line, 0), ctx.Err()); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	return errors.Join(p.Sync(ctx), p.Close())
}

// length is how many records a topic holds.
func length(topic *commitlog.Topic) (n int64, err error) {
	partitions, err := topic.Partitions()
	if err != nil {
		return 0, err
	}
	for i := range partitions {
		b, err := topic.Bounds(i)
		if err != nil {
			return 0, err
		}
		n += b.End - b.Start
	}
	return n, nil
}

// weatherLines are the lines of the weather file, which has one airport behind the other, in the order of their hours.
func weatherLines() ([][]byte, error) {
	f, err := data.Open("data/weather.csv.gz")
	if err != nil {
		return nil, fmt.Errorf("embedded weather: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("embedded weather: %w", err)
	}
	in := bufio.NewScanner(z)
	if !in.Scan() || in.Text() != strings.Join(WeatherColumns, ",") {
		return nil, fmt.Errorf("embedded weather: header %q: want %s", in.Text(), strings.Join(WeatherColumns, ","))
	}
	var all []string
	for in.Scan() {
		all = append(all, in.Text())
	}
	hour := func(line string) string { return line[strings.LastIndexByte(line, ',')+1:] }
	slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(hour(a), hour(b)) })
	out := make([][]byte, len(all))
	for i, line := range all {
		out[i] = []byte(line)
	}
	return out, in.Err()
}
