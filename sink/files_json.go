package sink

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
)

// jsonFiles is JSON lines: staged bytes are the file's bytes.
type jsonFiles struct{}

func (jsonFiles) name() string { return "json" }
func (jsonFiles) ext() string  { return ".jsonl" }

func (jsonFiles) stager(s Schema) (stager, error) {
	e, err := newLineEncoder(s)
	if err != nil {
		return nil, err
	}
	e.rows.after = "}\n"
	return &jsonStager{enc: e}, nil
}

type jsonStager struct {
	enc   *lineEncoder
	lines bytesColumn
	taken bool
}

func (s *jsonStager) add(rec arrow.Record) error {
	if s.taken {
		s.lines.reset()
		s.taken = false
	}
	return s.enc.encode(&s.lines, rec)
}

func (s *jsonStager) size() int {
	if s.taken {
		return 0
	}
	return len(s.lines.Data)
}

func (s *jsonStager) take() ([]byte, error) {
	if s.taken {
		return nil, nil
	}
	s.taken = true
	return s.lines.Data, nil
}

func (jsonFiles) write(w io.Writer, next func() ([]byte, error)) (string, error) {
	for {
		lines, err := next()
		if err != nil || lines == nil {
			return "", err
		}
		if _, err := w.Write(lines); err != nil {
			return "", err
		}
	}
}

func (jsonFiles) merge(w io.Writer, paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (jsonFiles) rows(path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
