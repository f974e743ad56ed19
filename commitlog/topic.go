package commitlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const settingsFile = "topic.json"

// Defaults of Settings.
const (
	DefaultRetainAge    = 7 * 24 * time.Hour
	DefaultSegmentBytes = 64 << 20
	DefaultSegmentAge   = 24 * time.Hour
	DefaultTombstoneAge = 24 * time.Hour
)

// Settings of a topic, kept in its folder. The zero value of each field is its default.
type Settings struct {
	Partitions   int           `json:"partitions"`    // 1
	RetainAge    time.Duration `json:"retain_age"`    // remove segments written longer ago; 7 days, for ever with Compact; negative: for ever
	RetainBytes  int64         `json:"retain_bytes"`  // remove the oldest segments of a partition above this; 0: no limit
	Compact      bool          `json:"compact"`       // keep the last record of each key only
	TombstoneAge time.Duration `json:"tombstone_age"` // how long compaction keeps a tombstone for readers to see; 1 day
	SegmentBytes int64         `json:"segment_bytes"` // a segment is full at this size; 64 MiB
	SegmentAge   time.Duration `json:"segment_age"`   // a segment is closed at this age; 1 day
}

func (s Settings) withDefaults() Settings {
	if s.Partitions == 0 {
		s.Partitions = 1
	}
	if s.RetainAge == 0 {
		s.RetainAge = DefaultRetainAge
		if s.Compact {
			s.RetainAge = -1
		}
	}
	if s.TombstoneAge == 0 {
		s.TombstoneAge = DefaultTombstoneAge
	}
	if s.SegmentBytes == 0 {
		s.SegmentBytes = DefaultSegmentBytes
	}
	if s.SegmentAge == 0 {
		s.SegmentAge = DefaultSegmentAge
	}
	return s
}

func (s Settings) check() error {
	if s.Partitions < 1 || s.Partitions > 10_000 {
		return fmt.Errorf("%d partitions: use 1 to 10000", s.Partitions)
	}
	if s.SegmentBytes < 0 || s.RetainBytes < 0 || s.SegmentAge < 0 || s.TombstoneAge < 0 {
		return errors.New("sizes and ages must not be negative")
	}
	return nil
}

// Topic is a named set of partitions. It is safe for concurrent use.
type Topic struct {
	log      *Log
	name     string
	settings Settings
}

// Create makes a topic. ErrTopicExists: it is there already (and stays as it is).
func (l *Log) Create(name string, s Settings) (*Topic, error) {
	s = s.withDefaults()
	if err := errors.Join(checkName(name), s.check()); err != nil {
		return nil, err
	}
	dir := filepath.Join(l.dir, name)
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("topic %s in %s: %w", name, l.dir, ErrTopicExists)
	}
	// Built aside and renamed, so that no process sees half a topic.
	tmp, err := os.MkdirTemp(l.dir, ".new-"+name+"-")
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	for i := range s.Partitions {
		if err := makePartition(filepath.Join(tmp, strconv.Itoa(i))); err != nil {
			return nil, fmt.Errorf("topic %s partition %d: %w", name, i, err)
		}
	}
	if err := writeSettings(tmp, s); err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("topic %s in %s: %w", name, l.dir, ErrTopicExists)
		}
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := syncDir(l.dir); err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	return &Topic{l, name, s}, nil
}

// Topic opens an existing topic. ErrNoTopic: there is none of that name; the message says how to make it.
func (l *Log) Topic(name string) (*Topic, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(l.dir, name, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("topic %s in log %s: %w; make it with: millrace log create %s --topic %s", name, l.dir, ErrNoTopic, l.dir, name)
	}
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("topic %s: settings %s: %w", name, settingsFile, err)
	}
	return &Topic{l, name, s.withDefaults()}, nil
}

// Ensure opens the topic, and creates it with s where it is missing. Settings of an existing topic stay as they are.
func (l *Log) Ensure(name string, s Settings) (*Topic, error) {
	t, err := l.Topic(name)
	if !errors.Is(err, ErrNoTopic) {
		return t, err
	}
	t, err = l.Create(name, s)
	if errors.Is(err, ErrTopicExists) { // another process was quicker
		return l.Topic(name)
	}
	return t, err
}

// Name is the topic's name.
func (t *Topic) Name() string { return t.name }

// Log is the log that the topic is in.
func (t *Topic) Log() *Log { return t.log }

// Settings are the topic's settings as of when it was opened.
func (t *Topic) Settings() Settings { return t.settings }

// Partitions is how many partitions there are now: another process may have added some.
func (t *Topic) Partitions() (int, error) {
	for n := 0; ; n++ {
		_, err := os.Stat(filepath.Join(t.log.dir, t.name, strconv.Itoa(n)))
		if errors.Is(err, fs.ErrNotExist) {
			if n == 0 {
				return 0, fmt.Errorf("topic %s in log %s: %w: it was removed", t.name, t.log.dir, ErrNoTopic)
			}
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("topic %s: %w", t.name, err)
		}
	}
}

// Grow adds partitions until there are n. Keys may belong to other partitions from then on.
func (t *Topic) Grow(n int) error {
	have, err := t.Partitions()
	if err != nil {
		return err
	}
	dir := filepath.Join(t.log.dir, t.name)
	for i := have; i < n; i++ {
		tmp, err := os.MkdirTemp(dir, ".new-")
		if err != nil {
			return fmt.Errorf("topic %s partition %d: %w", t.name, i, err)
		}
		defer os.RemoveAll(tmp)
		if err := errors.Join(os.Chmod(tmp, 0o755), makePartition(tmp)); err != nil {
			return fmt.Errorf("topic %s partition %d: %w", t.name, i, err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, strconv.Itoa(i))); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("topic %s partition %d: %w", t.name, i, err)
		}
	}
	t.settings.Partitions = max(n, have)
	if err := writeSettings(dir, t.settings); err != nil {
		return fmt.Errorf("topic %s: %w", t.name, err)
	}
	return nil
}

// makePartition lays an empty partition down in dir: segment 0 and a durable end of 0.
func makePartition(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(segmentPath(dir, 0), nil, 0o644); err != nil {
		return err
	}
	d, err := openDurable(dir, true)
	if err != nil {
		return err
	}
	if err := errors.Join(d.publish(durable{mark: -1}), d.sync(), d.close()); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeSettings(dir string, s Settings) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, settingsFile), append(raw, '\n'))
}

// replaceFile writes a file aside, makes it durable and renames it into place.
func replaceFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
