package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/zeebo/xxh3"
)

// parquetFiles is Parquet through the low-level writer: pqarrow would bring Arrow's compute and gRPC into every job's binary. Rows are
// staged as Arrow IPC streams, which carry their schema: what an older program staged can be rolled by a newer one.
type parquetFiles struct{}

func (parquetFiles) name() string { return "parquet" }
func (parquetFiles) ext() string  { return ".parquet" }

func (parquetFiles) stager(s Schema) (stager, error) {
	if _, err := parquetSchema(s.Arrow); err != nil {
		return nil, err
	}
	return &ipcStager{schema: s.Arrow}, nil
}

type ipcStager struct {
	schema *arrow.Schema
	buf    bytes.Buffer
	w      *ipc.Writer // nil when nothing was added since take
}

func (s *ipcStager) add(rec arrow.Record) error {
	if err := sameSchema(s.schema, rec); err != nil {
		return err
	}
	if s.w == nil {
		s.buf.Reset()
		s.w = ipc.NewWriter(&s.buf, ipc.WithSchema(rec.Schema()))
	}
	return s.w.Write(rec)
}

func (s *ipcStager) size() int {
	if s.w == nil {
		return 0
	}
	return s.buf.Len()
}

func (s *ipcStager) take() ([]byte, error) {
	if s.w == nil {
		return nil, nil
	}
	err := s.w.Close()
	s.w = nil
	return s.buf.Bytes(), err
}

// rowGroup bounds a row group: readers load one column of one at a time, and the writer holds one in memory.
const (
	rowGroupRows  = 1 << 20
	rowGroupBytes = 64 << 20
)

func (parquetFiles) write(w io.Writer, next func() ([]byte, error)) (text string, err error) {
	var out *parquetWriter
	for {
		piece, err := next()
		if err != nil {
			return "", err
		}
		if piece == nil {
			return text, out.close()
		}
		r, err := ipc.NewReader(bytes.NewReader(piece))
		if err != nil {
			return "", fmt.Errorf("staged rows: %w", err)
		}
		if out == nil {
			sc, err := parquetSchema(r.Schema())
			if err != nil {
				return "", err
			}
			text = sumText(xxh3.HashString(r.Schema().String()))
			out = newParquetWriter(w, sc)
		}
		for r.Next() {
			if err := out.write(r.Record()); err != nil {
				return "", err
			}
		}
		if err := r.Err(); err != nil && err != io.EOF {
			return "", fmt.Errorf("staged rows: %w", err)
		}
		r.Release()
	}
}

func (parquetFiles) merge(w io.Writer, paths []string) error {
	var out *parquetWriter
	for _, path := range paths {
		r, err := file.OpenParquetFile(path, false)
		if err != nil {
			return err
		}
		if out == nil {
			out = newParquetWriter(w, r.MetaData().Schema.Root())
		}
		err = out.copyFile(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return out.close()
}

func (parquetFiles) rows(path string) (int64, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return 0, err
	}
	return r.NumRows(), r.Close()
}

// parquetWriter writes one file, row group by row group.
type parquetWriter struct {
	w       *file.Writer
	group   file.BufferedRowGroupWriter // nil between row groups
	rows    int64                       // of the group
	columns int
}

func newParquetWriter(w io.Writer, root *schema.GroupNode) *parquetWriter {
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithCreatedBy("millrace"))
	out := file.NewParquetWriter(w, root, file.WithWriterProps(props))
	return &parquetWriter{w: out, columns: out.NumColumns()}
}

// begin makes sure that there is a row group with room.
func (p *parquetWriter) begin() error {
	if p.group != nil && (p.rows >= rowGroupRows || p.group.TotalBytesWritten()+p.group.TotalCompressedBytes() >= rowGroupBytes) {
		if err := p.group.Close(); err != nil {
			return err
		}
		p.group, p.rows = nil, 0
	}
	if p.group == nil {
		p.group = p.w.AppendBufferedRowGroup()
	}
	return nil
}

func (p *parquetWriter) write(rec arrow.Record) error {
	if err := p.begin(); err != nil {
		return err
	}
	n := int(rec.NumRows())
	p.rows += int64(n)
	at := 0
	for i, f := range rec.Schema().Fields() {
		if err := writeNode(p.group, &at, f, rec.Column(i), newLevels(n)); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	return nil
}

// copyFile appends all rows of a file with the same schema, column chunk by column chunk.
func (p *parquetWriter) copyFile(r *file.Reader) error {
	for g := range r.NumRowGroups() {
		if err := p.begin(); err != nil {
			return err
		}
		group := r.RowGroup(g)
		for c := range p.columns {
			from, err := group.Column(c)
			if err != nil {
				return err
			}
			to, err := p.group.Column(c)
			if err != nil {
				return err
			}
			if err := copyChunk(to, from); err != nil {
				return fmt.Errorf("column %s: %w", from.Descriptor().Path(), err)
			}
		}
		p.rows += group.NumRows()
	}
	return nil
}

// close writes the footer; the file's bytes below it stay open.
func (p *parquetWriter) close() error {
	if p.group != nil {
		if err := p.group.Close(); err != nil {
			return err
		}
	}
	return p.w.Close()
}
