package executor

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
)

// versionKey names a version. Two broadcasts may have equal bytes.
type versionKey struct {
	name string
	hash string
}

// versions are the versions of broadcasts that this executor was given. The driver says what goes: those of batches in flight, and the newest, stay.
type versions struct {
	have map[versionKey]*rdd.Version
	old  map[versionKey]*rdd.Version // from an earlier driver, until an assignment: what comes again need not be decoded again
}

// welcome: a new driver gives everything that it needs once more.
func (v *versions) welcome() { v.old, v.have = v.have, nil }

func (v *versions) add(x *rdd.Version) {
	if v.have == nil {
		v.have = map[versionKey]*rdd.Version{}
	}
	key := versionKey{x.Name, string(x.Hash[:])}
	if known := v.old[key]; known != nil {
		x = known
	}
	v.have[key] = x
}

func (v *versions) forget(gone []checkpoint.Pin) {
	for _, p := range gone {
		delete(v.have, versionKey{p.Name, string(p.Hash)})
	}
}

// of are the versions that plan's batch was planned with, by the numbers of p's broadcasts; nil for one that it does not name.
func (v *versions) of(p *rdd.Plan, plan *checkpoint.Plan) []*rdd.Version {
	if len(p.Broadcasts) == 0 {
		return nil
	}
	list := make([]*rdd.Version, len(p.Broadcasts))
	for i, b := range p.Broadcasts {
		j := slices.IndexFunc(plan.Broadcasts, func(pin checkpoint.Pin) bool { return pin.Name == b.Name })
		if j >= 0 {
			list[i] = v.have[versionKey{b.Name, string(plan.Broadcasts[j].Hash)}]
		}
	}
	return list
}

// piece is a part of a version on the wire. Pieces are small so that a slow line carries each within a lease; they follow each other without gaps.
type piece struct {
	Name string
	Hash []byte
	Size int64
	Off  int64
	Data []byte
}

// pieces hands v on as payloads of kindShare.
func pieces(v *rdd.Version, write func(payload []byte) error) error {
	for off := 0; off == 0 || off < len(v.Data); off += Piece {
		payload, err := transport.Encode(&piece{
			Name: v.Name, Hash: v.Hash[:], Size: int64(len(v.Data)), Off: int64(off), Data: v.Data[off:min(off+Piece, len(v.Data))],
		})
		if err == nil {
			err = write(payload)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// assembly puts the pieces of a connection together.
type assembly struct{ data []byte }

// decode is a frame's message, nil if more pieces of it have to come.
func (a *assembly) decode(kind byte, payload []byte) (ToExecutor, error) {
	if kind != kindShare {
		return decodeMessage(toExecutor, kind, payload)
	}
	var p piece
	if err := transport.Decode(payload, &p); err != nil {
		return nil, err
	}
	if p.Off != int64(len(a.data)) || p.Size > rdd.MaxBroadcastBytes || p.Off+int64(len(p.Data)) > p.Size {
		return nil, fmt.Errorf("broadcast %q: a piece of %d bytes at offset %d of %d, behind %d", p.Name, len(p.Data), p.Off, p.Size, len(a.data))
	}
	if a.data = append(a.data, p.Data...); int64(len(a.data)) < p.Size {
		return nil, nil
	}
	v := rdd.NewVersion(p.Name, a.data)
	a.data = nil
	if string(v.Hash[:]) != string(p.Hash) {
		return nil, fmt.Errorf("broadcast %q: %d bytes have hash %x, the driver's have %x", p.Name, len(v.Data), v.Hash, p.Hash)
	}
	return &Share{v}, nil
}
