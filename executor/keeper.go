package executor

import (
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/checkpoint"
)

// Keeper is the driver's side of Deposit and Fetch, for one connection of one executor (P23). One goroutine at a time.
type Keeper struct {
	dir   *checkpoint.StateDir
	name  string
	epoch int64

	// The file that is coming in.
	now     Deposit // its first piece; ID 0: none
	size    int64
	state   *checkpoint.Incoming
	journal []byte

	// The journal that is going out, so that it is read once.
	out     Fetch
	content []byte
	sum     uint64
}

// NewKeeper makes a keeper. Name and epoch are for the names of files.
func NewKeeper(dir *checkpoint.StateDir, name string, epoch int64) *Keeper {
	return &Keeper{dir: dir, name: name, epoch: epoch}
}

// Handle does what a Deposit or Fetch asks for. It takes as long as the disk: a journal is durable when it returns.
func (k *Keeper) Handle(m ToDriver) *Answer {
	switch m := m.(type) {
	case *Deposit:
		a := &Answer{ID: m.ID}
		if err := k.deposit(m, a); err != nil {
			k.Close()
			a.Err = err.Error()
		}
		return a
	case *Fetch:
		a := &Answer{ID: m.ID}
		if err := k.fetch(m, a); err != nil {
			a.Err, a.Data = err.Error(), nil
		}
		return a
	}
	return &Answer{Err: fmt.Sprintf("%T asks for nothing", m)}
}

// Close drops a file that did not come whole.
func (k *Keeper) Close() {
	if k.state != nil {
		k.state.Drop()
	}
	k.now, k.size, k.state, k.journal = Deposit{}, 0, nil, nil
}

func (k *Keeper) deposit(d *Deposit, a *Answer) error {
	if d.Off == 0 {
		if err := k.begin(d); err != nil {
			return err
		}
	}
	switch {
	case k.now.ID == 0, d.Off != k.size, d.Batch != k.now.Batch, d.Source != k.now.Source, d.Partition != k.now.Partition:
		return fmt.Errorf("executor %s sends batch %d from byte %d on, and %d bytes of batch %d have come", k.name, d.Batch, d.Off, k.size, k.now.Batch)
	case len(d.Data) > Piece:
		return fmt.Errorf("executor %s sends a piece of %d bytes, the limit is %d", k.name, len(d.Data), Piece)
	case k.state == nil && k.size+int64(len(d.Data)) > maxJournal:
		return fmt.Errorf("executor %s sends a journal of more than %d bytes", k.name, maxJournal)
	}
	k.size += int64(len(d.Data))
	if k.state == nil {
		k.journal = append(k.journal, d.Data...)
	} else if _, err := k.state.Write(d.Data); err != nil {
		return err
	}
	if !d.Last {
		return nil
	}
	return k.keep(d, a)
}

func (k *Keeper) begin(d *Deposit) (err error) {
	k.Close()
	if d.Source == "" {
		if k.state, err = k.dir.Receive(d.Batch, k.name, k.epoch, d.Attempt); err != nil {
			return err
		}
	}
	k.now = *d
	k.now.Data = nil
	return nil
}

// keep ends the file.
func (k *Keeper) keep(d *Deposit, a *Answer) (err error) {
	state, journal := k.state, k.journal
	k.state = nil
	k.Close()
	if state != nil {
		a.File, err = state.Keep(d.Sum)
		return err
	}
	if xxh3.Hash(journal) != d.Sum {
		return errors.New("journal was damaged on the way")
	}
	if k.out.Batch == d.Batch && k.out.Source == d.Source && k.out.Partition == d.Partition {
		k.out, k.content = Fetch{}, nil
	}
	return k.dir.WriteJournal(d.Batch, d.Source, d.Partition, journal)
}

func (k *Keeper) fetch(f *Fetch, a *Answer) (err error) {
	if f.Len < 0 || f.Len > Piece || f.Off < 0 {
		return fmt.Errorf("executor %s wants %d bytes from byte %d on, the limit is %d", k.name, f.Len, f.Off, Piece)
	}
	if f.File != "" {
		a.Data, err = k.dir.ReadPiece(f.File, f.Off, f.Len)
		return err
	}
	if f.Off == 0 {
		k.out, k.content, k.sum = Fetch{}, nil, 0
		data, ok, err := k.dir.ReadJournal(f.Batch, f.Source, f.Partition)
		if err != nil {
			return err
		}
		if !ok {
			a.Size = NoJournal
			return nil
		}
		k.out, k.content, k.sum = *f, data, xxh3.Hash(data)
	}
	if k.out.Batch != f.Batch || k.out.Source != f.Source || k.out.Partition != f.Partition || f.Off > int64(len(k.content)) {
		return fmt.Errorf("executor %s wants a journal from byte %d on without its beginning", k.name, f.Off)
	}
	a.Size, a.Sum = int64(len(k.content)), k.sum
	a.Data = k.content[f.Off:min(f.Off+int64(f.Len), a.Size)]
	if f.Off+int64(f.Len) >= a.Size {
		k.out, k.content = Fetch{}, nil
	}
	return nil
}
