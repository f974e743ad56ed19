package sink

import (
	"bytes"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
)

// FilesText is FilesJSON with lines of text: a scalar value as it is (see Text), and in front of it, where rows have keys, the key and a tab. Line breaks
// in a row are written as \n and \r, tabs in a key as \t; write JSON where a text that holds any of them must come back as it was. Rows of
// several columns are refused: map them to a string first.
func FilesText(dir string, opts ...FileOption) Sink { return filesSink(dir, textFiles{}, opts) }

// textFiles is lines of text: staged bytes are the file's bytes.
type textFiles struct{ jsonFiles }

func (textFiles) name() string { return "text" }
func (textFiles) ext() string  { return ".txt" }

func (textFiles) stager(s Schema) (stager, error) {
	e, err := newEncoder(s, Text)
	if err != nil {
		return nil, err
	}
	return &textStager{enc: e, keyed: s.Keys > 0}, nil
}

// write keeps files of text and of JSON from being merged into one.
func (f textFiles) write(w io.Writer, next func() ([]byte, error)) (string, error) {
	_, err := f.jsonFiles.write(w, next)
	return "text", err
}

type textStager struct {
	enc        *encoder
	keyed      bool
	keys, vals bytesColumn
	lines      []byte
	taken      bool
}

func (s *textStager) add(rec arrow.Record) error {
	if s.taken {
		s.lines, s.taken = s.lines[:0], false
	}
	if err := s.enc.Encode(rec, &s.keys, &s.vals); err != nil {
		return err
	}
	for i := range s.vals.Len() {
		if s.keyed {
			s.lines = append(appendLine(s.lines, s.keys.Value(i), true), '\t')
		}
		s.lines = append(appendLine(s.lines, s.vals.Value(i), false), '\n')
	}
	return nil
}

// appendLine appends text without line breaks, and without tabs where those separate.
func appendLine(dst, text []byte, tabs bool) []byte {
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 && (!tabs || bytes.IndexByte(text, '\t') < 0) {
		return append(dst, text...)
	}
	for _, c := range text {
		switch {
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t' && tabs:
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (s *textStager) size() int {
	if s.taken {
		return 0
	}
	return len(s.lines)
}

func (s *textStager) take() ([]byte, error) {
	if s.taken {
		return nil, nil
	}
	s.taken = true
	return s.lines, nil
}
