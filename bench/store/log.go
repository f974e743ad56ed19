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

func (s *logStore) Load(ctx context.Context, n int, _ bool, next func(int) (Record, error)) error {
	producers := map[string]*commitlog.Producer{}
	var err error
	for i := 0; i < n && err == nil; i++ {
		var r Record
		if r, err = next(i); err != nil {
			break
		}
		p := producers[r.Topic]
		if p == nil {
			var t *commitlog.Topic
			if t, err = s.log.Topic(r.Topic); err != nil {
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

func (s *logStore) Follow(ctx context.Context, topic string, idle time.Duration, each func(key, val []byte) bool) error {
	t, err := s.log.Topic(topic)
	if err != nil {
		return err
	}
	n, err := t.Partitions()
	if err != nil {
		return err
	}
	return followAll(ctx, n, idle, func(ctx context.Context, part int, out func(key, val []byte)) error {
		r, err := t.Reader(part, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if err != nil {
				return err
			}
			for i := range b.Len() {
				out(b.Key(i), b.Value(i))
			}
		}
	}, each)
}

func (s *logStore) ID() string   { return "log" }
func (s *logStore) Close() error { return s.log.Close() }
