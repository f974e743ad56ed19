package checkpoint

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/slot"
)

// A shared value is a file named after its hash: 8 bytes xxh3 of the rest, and the rest.

// PutValue keeps a shared value's bytes by hash; Value reads them back. It returns when they are durable. Putting a value that is there already
// costs nothing but its reading. Prune removes values that neither a kept plan nor this driver names, see ReleaseValue.
func (s *Store) PutValue(hash [32]byte, name string, data []byte) error {
	s.putting.Lock()
	defer s.putting.Unlock()
	s.mu.Lock()
	_, have := s.ledger.values[hash]
	s.fresh[hash]++
	s.mu.Unlock()
	if have {
		if _, err := s.Value(hash); err == nil {
			return nil
		}
	}
	file := s.valuePath(hash)
	sealed := seal(data)
	err := s.o.createSlot(s.path(valueDir), hex.EncodeToString(hash[:]), sealed)
	if errors.Is(err, slot.ErrTaken) {
		// The hash names the bytes: what is there is the same, or damaged and replaced.
		if old, rerr := os.ReadFile(file); rerr == nil && string(old) == string(sealed) {
			err = nil
		} else {
			err = writeFile(file, sealed)
		}
	}
	if err != nil {
		return explain(s.dir, err)
	}
	return s.write(&entry{Values: []sharedMeta{{Hash: hash, Name: name, Bytes: int64(len(data))}}})
}

// ReleaseValue takes back n calls of PutValue with that hash. Once all are, the value is kept only as long as a kept plan names it.
func (s *Store) ReleaseValue(hash [32]byte, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh[hash] -= n; s.fresh[hash] <= 0 {
		delete(s.fresh, hash)
	}
}

// valuesNamed are the hashes of the values that tasks of the batch may read.
func (p *Plan) valuesNamed() [][]byte {
	list := p.Values
	for _, b := range p.Broadcasts {
		list = append(list[:len(list):len(list)], b.Hash)
	}
	return list
}

// Value reads a shared value.
func (s *Store) Value(hash [32]byte) ([]byte, error) {
	return readSealed(s.valuePath(hash))
}

func (s *Store) valuePath(hash [32]byte) string { return s.path(valueDir, hex.EncodeToString(hash[:])) }

// seal puts a checksum before data.
func seal(data []byte) []byte {
	return append(append(make([]byte, 0, 8+len(data)), sealOf(data)...), data...)
}

// sealOf is what seal puts before data.
func sealOf(data []byte) []byte { return binary.LittleEndian.AppendUint64(nil, xxh3.Hash(data)) }

// unseal is what was sealed.
func unseal(sealed []byte) ([]byte, bool) {
	if len(sealed) < 8 {
		return nil, false
	}
	var sum uint64
	for i, b := range sealed[:8] {
		sum |= uint64(b) << (8 * i)
	}
	return sealed[8:], xxh3.Hash(sealed[8:]) == sum
}

// readSealed reads a file that holds sealed bytes.
func readSealed(path string) ([]byte, error) {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data, ok := unseal(sealed)
	if !ok {
		return nil, &damage{path, nowhere, "checksum does not match"}
	}
	return data, nil
}

// Setting is a small value that PutSetting stored; "" if absent.
func (s *Store) Setting(key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.settings[key], nil
}

// All settings are in each segment's header: they are bounded.
const (
	maxSettings   = 1024
	maxSettingKey = 1 << 10
	maxSetting    = 64 << 10
)

// PutSetting stores a small value, durably: at most 1,024 of 64 KiB each.
func (s *Store) PutSetting(key, value string) error {
	if len(key) > maxSettingKey || len(value) > maxSetting {
		return fmt.Errorf("checkpoint %s: setting %.40q has %d bytes under a key of %d, the limits are %d and %d", s.dir, key, len(value), len(key), maxSetting, maxSettingKey)
	}
	s.mu.Lock()
	_, known := s.ledger.settings[key]
	full := !known && len(s.ledger.settings) >= maxSettings
	s.mu.Unlock()
	if full {
		return fmt.Errorf("checkpoint %s: setting %q would be one more than %d", s.dir, key, maxSettings)
	}
	if err := s.write(&entry{Settings: []setting{{key, value}}}); err != nil {
		return err
	}
	return s.writeIndex()
}

// writeFile replaces a file's content at once and durably.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return syncDirOf(path)
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
