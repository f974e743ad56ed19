package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/commitlog"
)

// syncEvery is how long a record waits in paced runs for what it shares with others, an fsync or a request: it is a part of what is measured.
const syncEvery = time.Millisecond

type logStore struct {
	log *commitlog.Log
	dir string
}

func (s *logStore) Recreate(_ context.Context, topic string) error {
	if err := os.RemoveAll(filepath.Join(s.dir, topic)); err != nil {
		return err
	}
	_, err := s.log.Create(topic, commitlog.Settings{Partitions: Partitions})
	return err
}

func (s *logStore) Load(ctx context.Context, n int, paced bool, next func(int) (Record, error)) (err error) {
	producers, log := map[string]*commitlog.Producer{}, s.log
	if paced {
		if log, err = commitlog.Open(s.dir, commitlog.Options{SyncInterval: syncEvery}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.Close()) }()
	}
	for i := 0; i < n && err == nil; i++ {
		var r Record
		if r, err = next(i); err != nil {
			break
		}
		p := producers[r.Topic]
		if p == nil {
			var t *commitlog.Topic
			if t, err = log.Topic(r.Topic); err != nil {
				break
			}
			if p, err = t.Producer(); err != nil {
				break
			}
			producers[r.Topic] = p
		}
		err = p.Send(r.Key, r.Val, r.Micros)
	}
	for _, p := range producers {
		err = errors.Join(err, p.Sync(ctx), p.Close())
	}
	return err
}

func (s *logStore) Count(_ context.Context, topic string) (int64, error) {
	names, err := s.log.Topics()
	if err != nil || !slices.Contains(names, topic) {
		return 0, err
	}
	t, err := s.log.Topic(topic)
	if err != nil {
		return 0, err
	}
	n, err := t.Partitions()
	sum := int64(0)
	for p := 0; p < n && err == nil; p++ {
		var b commitlog.Bounds
		b, err = t.Bounds(p)
		sum += b.End - b.Start
	}
	return sum, err
}

func (s *logStore) Read(ctx context.Context, topic string, each func(key, val []byte)) error {
	return s.read(ctx, topic, false, each)
}

func (s *logStore) Follow(ctx context.Context, topic string, each func(key, val []byte)) error {
	return s.read(ctx, topic, true, each)
}

func (s *logStore) read(ctx context.Context, topic string, forever bool, each func(key, val []byte)) error {
	t, err := s.log.Topic(topic)
	if err != nil {
		return err
	}
	n, err := t.Partitions()
	if err != nil {
		return err
	}
	return readAll(ctx, n, func(ctx context.Context, part int, out func(key, val []byte)) error {
		b, err := t.Bounds(part)
		if err != nil {
			return err
		}
		r, err := t.Reader(part, b.Start)
		if err != nil {
			return err
		}
		defer r.Close()
		for forever || r.Offset() < b.End {
			records, err := r.Next(ctx)
			if err != nil {
				return err
			}
			for i := range records.Len() {
				out(records.Key(i), records.Value(i))
			}
		}
		return nil
	}, each)
}

func (s *logStore) ID() string   { return "log" }
func (s *logStore) Close() error { return s.log.Close() }
