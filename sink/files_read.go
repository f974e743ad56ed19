package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/xxh3"
)

// File is a published file of a file sink.
type File struct {
	Path        string
	Lane        int
	First, Last int64 // the batches whose rows it holds
	Rows, Bytes int64
	Sum         string      // xxh3 of its bytes, in hex
	Batches     []BatchRows // the rows of each batch, in the file's order; nil for a file that was merged from others
}

// ReadManifest lists the published files of a file sink's directory, by lane and then by batch: in each lane rows stand in the order in
// which they were written. It may be called while a job writes there. A file that a later manifest replaces stays readable
// for the grace of the sink (MergeGrace).
func ReadManifest(dir string) ([]File, error) {
	lanes, err := lanesOf(dir)
	if err != nil {
		return nil, placeError(dir, err)
	}
	if lanes == nil {
		if _, err := os.Stat(filepath.Join(dir, manifestDir)); err != nil {
			return nil, fmt.Errorf("files in %s: no file sink has written here: %w", dir, err)
		}
	}
	var files []File
	for _, lane := range lanes {
		m, err := readLane(dir, lane)
		if err != nil {
			return nil, placeError(dir, err)
		}
		for _, e := range m.live {
			files = append(files, File{filepath.Join(dir, e.Name), lane, e.First, e.Last, e.Rows, e.Bytes, e.Sum, e.Batches})
		}
	}
	return files, nil
}

// VerifyFiles checks a file sink's directory: every slot's checksum and number, every file's size, checksum and number of rows, and that no
// batch of a lane is in two files. All that is wrong is in the error.
func VerifyFiles(dir string) error {
	files, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	var wrong []error
	for i, f := range files {
		if err := f.verify(); err != nil {
			wrong = append(wrong, err)
		}
		if i > 0 && files[i-1].Lane == f.Lane && files[i-1].Last >= f.First || f.First > f.Last {
			wrong = append(wrong, fmt.Errorf("%s: %w: it holds batches %d to %d, a file before it goes to %d", f.Path, errDamaged, f.First, f.Last, files[max(i-1, 0)].Last))
		}
	}
	return errors.Join(wrong...)
}

// formatOf is the format of a file, by the end of its name.
func formatOf(path string) fileFormat {
	for _, f := range []fileFormat{jsonFiles{}, textFiles{}} {
		if strings.HasSuffix(path, f.ext()) {
			return f
		}
	}
	return parquetFiles{}
}

func (f File) verify() error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := xxh3.New()
	n, err := io.Copy(sum, bufio.NewReaderSize(file, 256<<10))
	if err != nil {
		return err
	}
	if n != f.Bytes || sumText(sum.Sum64()) != f.Sum {
		return fmt.Errorf("%s: %w: %d bytes with checksum %s, the manifest says %d bytes with %s", f.Path, errDamaged, n, sumText(sum.Sum64()), f.Bytes, f.Sum)
	}
	rows, err := formatOf(f.Path).rows(f.Path)
	if err == nil && rows != f.Rows {
		err = fmt.Errorf("%w: %d rows, the manifest says %d", errDamaged, rows, f.Rows)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}
