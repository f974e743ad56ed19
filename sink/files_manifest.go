package sink

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/slot"
)

// The manifest of a directory is a sequence of numbered slots per lane (P4, P10), each created once and never changed:
//
//	_manifest/lane-003-000000000017.json
//
// A slot is a line of JSON and a line with its checksum. What a lane's readers may read follows from its newest "base" slot,
// or from nothing, and all slots behind it.
const (
	manifestDir = "_manifest"
	stagingDir  = "_staging"
	slotSuffix  = ".json"

	slotFence = "fence" // a new owner; whoever wants this number now is not the owner any more
	slotData  = "data"  // one more file
	slotBase  = "base"  // all files of the lane, which older slots are no longer needed for
)

// manifestSlot is the content of one slot.
type manifestSlot struct {
	Kind     string        `json:"kind"`
	Lane     int           `json:"lane"`
	Slot     int64         `json:"slot"`
	UUID     string        `json:"uuid"`
	Timeline int64         `json:"timeline"`
	Epoch    int64         `json:"epoch"`
	Opening  int64         `json:"opening"`           // the writer's fence slot
	Marker   *fileMarker   `json:"marker,omitempty"`  // the last batch that is in files
	Add      *fileEntry    `json:"add,omitempty"`     // data
	Live     []fileEntry   `json:"live,omitempty"`    // base
	Retired  []retiredFile `json:"retired,omitempty"` // base: replaced files and when they may go
}

// fileMarker is a Marker as JSON.
type fileMarker struct {
	UUID     string `json:"uuid"`
	Timeline int64  `json:"timeline"`
	Batch    int64  `json:"batch"`
	Plan     string `json:"plan"`
}

func newFileMarker(m Marker) *fileMarker {
	return &fileMarker{m.UUID, m.Timeline, m.Batch, hex.EncodeToString(m.PlanHash)}
}

func (m *fileMarker) marker() (Marker, error) {
	plan, err := hex.DecodeString(m.Plan)
	return Marker{m.UUID, m.Timeline, m.Batch, plan}, err
}

// fileEntry is one file of rows.
type fileEntry struct {
	Name    string      `json:"name"`
	First   int64       `json:"first"`
	Last    int64       `json:"last"`
	Rows    int64       `json:"rows"`
	Bytes   int64       `json:"bytes"`
	Sum     string      `json:"xxh3"`
	Batches []BatchRows `json:"batches,omitempty"` // left out of merged files
	Level   int         `json:"level,omitempty"`   // how often it was merged
	Schema  string      `json:"schema,omitempty"`  // files with different ones are never merged
}

// BatchRows is how many rows of a file belong to a batch; they stand in the file in this order.
type BatchRows struct {
	Batch int64 `json:"batch"`
	Rows  int64 `json:"rows"`
}

// retiredFile is a file that a merged one replaces. Readers of an older manifest may still read it until then.
type retiredFile struct {
	Name  string `json:"name"`
	Until int64  `json:"until"` // µs since 1970
}

func slotPrefix(lane int) string { return fmt.Sprintf("lane-%03d-", lane) }

func sumText(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// encode is the slot's file.
func (s *manifestSlot) encode() ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(body, "\nxxh3 %s\n", sumText(xxh3.Hash(body))), nil
}

// errDamaged marks a manifest or a file that is not what was written.
var errDamaged = errors.New("damaged")

func decodeSlot(data []byte, lane int, number int64) (*manifestSlot, error) {
	body, tail, _ := bytes.Cut(data, []byte("\n"))
	if string(tail) != "xxh3 "+sumText(xxh3.Hash(body))+"\n" {
		return nil, fmt.Errorf("%w: its checksum does not match", errDamaged)
	}
	s := new(manifestSlot)
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if s.Lane != lane || s.Slot != number {
		return nil, fmt.Errorf("%w: it says that it is lane %d slot %d", errDamaged, s.Lane, s.Slot)
	}
	return s, nil
}

func readSlot(dir string, lane int, number int64) (*manifestSlot, error) {
	path := filepath.Join(dir, manifestDir, slot.Name(slotPrefix(lane), number, slotSuffix))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := decodeSlot(data, lane, number)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", path, err)
	}
	return s, nil
}

// laneManifest is what the slots of one lane add up to.
type laneManifest struct {
	lane    int
	base    int64         // number of the newest base slot, 0 for none
	last    *manifestSlot // the newest slot; nil for a fresh lane
	marker  *fileMarker
	live    []fileEntry // ascending by batch
	retired []retiredFile
}

// head is the number of the newest slot.
func (m *laneManifest) head() int64 {
	if m.last == nil {
		return 0
	}
	return m.last.Slot
}

// apply adds the next slot.
func (m *laneManifest) apply(s *manifestSlot) {
	m.last = s
	if s.Marker != nil {
		m.marker = s.Marker
	}
	switch s.Kind {
	case slotData:
		m.live = append(m.live, *s.Add)
	case slotBase:
		m.base, m.live, m.retired = s.Slot, slices.Clone(s.Live), slices.Clone(s.Retired)
	}
}

// readTries bounds how often a lane is read anew because its owner removed old slots meanwhile.
const readTries = 10

// readLane folds the slots of a lane. It may run beside the lane's owner.
func readLane(dir string, lane int) (laneManifest, error) {
	for try := 1; ; try++ {
		m, err := foldLane(dir, lane)
		if !errors.Is(err, fs.ErrNotExist) || try == readTries {
			return m, err
		}
	}
}

func foldLane(dir string, lane int) (laneManifest, error) {
	m := laneManifest{lane: lane}
	numbers, err := slot.List(filepath.Join(dir, manifestDir), slotPrefix(lane), slotSuffix)
	if err != nil {
		return m, err
	}
	var slots []*manifestSlot // newest first, down to a base
	for i := len(numbers) - 1; i >= 0; i-- {
		s, err := readSlot(dir, lane, numbers[i])
		if err != nil {
			return m, err
		}
		slots = append(slots, s)
		if s.Kind == slotBase {
			break
		}
		if before := numbers[max(i-1, 0)]; i > 0 && before != numbers[i]-1 || i == 0 && numbers[i] != 1 {
			return m, fmt.Errorf("manifest of %s lane %d: %w: slot %d is missing", dir, lane, errDamaged, numbers[i]-1)
		}
	}
	for _, s := range slices.Backward(slots) {
		m.apply(s)
	}
	return m, nil
}

// lanesOf are the numbers of the lanes that dir has slots of, ascending.
func lanesOf(dir string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, manifestDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lanes []int
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), "lane-")
		number, _, found := strings.Cut(rest, "-")
		n, err := strconv.Atoi(number)
		if !ok || !found || err != nil {
			continue
		}
		if _, ok := slot.Parse(slotPrefix(n), e.Name(), slotSuffix); ok {
			lanes = append(lanes, n)
		}
	}
	slices.Sort(lanes)
	return slices.Compact(lanes), nil
}
