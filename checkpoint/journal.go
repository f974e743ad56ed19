package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/slot"
)

// journalPath names the journal of a source partition in a batch. Sources have any names: a hash keeps them apart.
func (d *StateDir) journalPath(batch int64, source string, partition int) string {
	name := plain(source)
	if len(name) > 64 {
		name = name[:64]
	}
	return filepath.Join(d.dir, journalDir, fmt.Sprintf("%012d-%s-%016x-%d", batch, name, xxh3.HashString(source), partition))
}

// WriteJournal keeps the raw records that a task of a mutable source read in a batch (P18), durably. The first journal of a batch and partition counts: an attempt
// reads it back before it reads the source, and another content is an error.
func (d *StateDir) WriteJournal(batch int64, source string, partition int, data []byte) error {
	path := d.journalPath(batch, source, partition)
	err := slot.Create(filepath.Dir(path), filepath.Base(path), sealOf(data), data)
	if errors.Is(err, slot.ErrTaken) {
		old, rerr := readSealed(path)
		switch {
		case rerr != nil:
			return rerr
		case string(old) != string(data):
			return fmt.Errorf("%s: source %q partition %d has another journal of batch %d: its history changed; read the journal instead", path, source, partition, batch)
		}
		return nil
	}
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	return explain(d.dir, err)
}

// ReadJournal reads it back; ok is false if there is none. A checksum that differs is ErrDamaged.
func (d *StateDir) ReadJournal(batch int64, source string, partition int) (data []byte, ok bool, err error) {
	data, err = readSealed(d.journalPath(batch, source, partition))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}
