package channel

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// HasMemory tells whether this system has channels in shared memory.
const HasMemory = true

const (
	// regionBytes is the size of a region: pages that are not used cost nothing. A request's share of it is a slot, a Window-th.
	regionBytes = 8 << 20
	slotBytes   = regionBytes / Window

	greetingBytes = 24
	magic         = "MRPM"
)

// seals are what both regions must have: nobody makes them smaller, which would turn reads into SIGBUS.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// memoryHost is the engine's end of a channel in shared memory.
type memoryHost struct {
	frames
	in, out []byte // what the engine writes, and what the plugin does
	sent    uint64
	heard   uint64
}

// OpenMemory opens a channel in shared memory of a plugin, which connects to a socket in dir. dir is this user's only.
func OpenMemory(ctx context.Context, c wire.PluginClient, dir string) (_ Host, err error) {
	name, token := make([]byte, 8), make([]byte, 32)
	_, _ = rand.Read(name)
	_, _ = rand.Read(token)
	path := filepath.Join(dir, "m"+hex.EncodeToString(name))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	defer l.Close()                                                    // unlinks it, too
	defer context.AfterFunc(ctx, func() { _ = l.SetDeadline(past) })() // ends Accept
	attached := make(chan error, 1)
	go func() {
		_, err := c.Attach(ctx, &wire.AttachRequest{Socket: path, Token: token})
		if err != nil {
			_ = l.SetDeadline(past)
		}
		attached <- err
	}()
	conn, err := l.AcceptUnix()
	h := &memoryHost{heard: 1}
	if err == nil {
		h.frames = frames{conn: conn}
		if err = h.greet(ctx, token); err != nil {
			_ = h.Close()
		}
	}
	if attachErr := <-attached; attachErr != nil || err != nil {
		if attachErr == nil {
			attachErr = err
		}
		if err == nil {
			_ = h.Close()
		}
		return nil, fmt.Errorf("open a channel: %w", cause(ctx, attachErr))
	}
	return h, nil
}

// greet checks the token, and hands the regions over.
func (h *memoryHost) greet(ctx context.Context, token []byte) error {
	defer h.until(ctx)()
	got := make([]byte, len(token))
	if _, err := io.ReadFull(h.conn, got); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if subtle.ConstantTimeCompare(got, token) != 1 {
		return errors.New("who connected does not know the token")
	}
	in, err := region("millrace-in", unix.PROT_READ|unix.PROT_WRITE, &h.in, seals|unix.F_SEAL_FUTURE_WRITE)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := region("millrace-out", unix.PROT_READ, &h.out, seals)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	b := binary.LittleEndian.AppendUint32([]byte(magic), 1)
	b = binary.LittleEndian.AppendUint64(b, regionBytes)
	b = binary.LittleEndian.AppendUint64(b, regionBytes)
	_, _, err = h.conn.WriteMsgUnix(b, unix.UnixRights(in, out), nil)
	return err
}

// region makes a region, maps it, and seals it.
func region(name string, prot int, mapped *[]byte, seals int) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return 0, fmt.Errorf("shared memory: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.Ftruncate(fd, regionBytes); err != nil {
		return 0, fmt.Errorf("shared memory of %d bytes: %w", regionBytes, err)
	}
	if *mapped, err = unix.Mmap(fd, 0, regionBytes, prot, unix.MAP_SHARED); err != nil {
		return 0, fmt.Errorf("map shared memory of %d bytes: %w", regionBytes, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return 0, fmt.Errorf("seal shared memory: %w", err)
	}
	return fd, nil
}

// slot is where the parts of request id, or its answer's, lie.
func slot(id uint64) *wire.Place {
	return &wire.Place{Offset: (id - 1) % Window * slotBytes, Length: slotBytes}
}

func (h *memoryHost) Send(ctx context.Context, req *wire.Request, parts []arrow.Record) error {
	defer h.until(ctx)()
	h.sent++
	req.Id, req.Room = h.sent, slot(h.sent)
	req.Parts = place(h.in, slot(h.sent), parts)
	if err := h.write(req); err != nil {
		return fmt.Errorf("send request %d: %w", req.Id, cause(ctx, err))
	}
	return nil
}

func (h *memoryHost) Receive(ctx context.Context, schemas []*arrow.Schema) (*wire.Response, []arrow.Record, error) {
	defer h.until(ctx)()
	resp := &wire.Response{}
	if err := h.read(resp); err != nil {
		return nil, nil, fmt.Errorf("answer to request %d: %w", h.heard, cause(ctx, err))
	}
	room := slot(h.heard)
	return received(resp, &h.heard, schemas, func(p *wire.Place) ([]byte, error) { return copied(h.out, room, p) })
}

func (h *memoryHost) Close() error {
	err := h.conn.Close()
	for _, m := range [][]byte{h.in, h.out} {
		if m != nil {
			err = errors.Join(err, unix.Munmap(m))
		}
	}
	h.in, h.out = nil, nil
	return err
}

// memoryPlugin is the plugin's end.
type memoryPlugin struct {
	frames
	in, out []byte

	mu     sync.Mutex // held while requests are taken out of memory: Close waits for that
	closed bool
}

// ServeMemory connects to the host at a socket, for a channel in shared memory. Close ends it.
func ServeMemory(ctx context.Context, socket string, token []byte) (_ interface {
	Plugin
	Close() error
}, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to the host: %w", err)
	}
	p := &memoryPlugin{frames: frames{conn: conn.(*net.UnixConn)}}
	if err := p.meet(ctx, token); err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("meet the host: %w", cause(ctx, err))
	}
	return p, nil
}

// meet says the token, and takes the regions over.
func (p *memoryPlugin) meet(ctx context.Context, token []byte) error {
	defer p.until(ctx)()
	if _, err := p.conn.Write(token); err != nil {
		return err
	}
	b, rights := make([]byte, greetingBytes), make([]byte, unix.CmsgSpace(2*4))
	n, oobn, _, _, err := p.conn.ReadMsgUnix(b, rights)
	if err != nil {
		return err
	}
	fds, err := rights2(rights[:oobn])
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	if err != nil {
		return err
	}
	if n != greetingBytes || string(b[:4]) != magic || binary.LittleEndian.Uint32(b[4:]) != 1 {
		return fmt.Errorf("a greeting of %d bytes that this version does not know", n)
	}
	if p.in, err = mapped(fds[0], binary.LittleEndian.Uint64(b[8:]), unix.PROT_READ); err != nil {
		return err
	}
	p.out, err = mapped(fds[1], binary.LittleEndian.Uint64(b[16:]), unix.PROT_READ|unix.PROT_WRITE)
	return err
}

// rights2 are the two file descriptors of a control message.
func rights2(b []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, m := range msgs {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	if len(fds) != 2 {
		return fds, fmt.Errorf("%d file descriptors, want 2", len(fds))
	}
	return fds, nil
}

// mapped maps a region that the host says to be of that size.
func mapped(fd int, size uint64, prot int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil || got&seals != seals || size == 0 || uint64(st.Size) != size || size > 1<<32 {
		return nil, fmt.Errorf("shared memory of %d bytes, %d said, seals %#x: %v", st.Size, size, got, err)
	}
	return unix.Mmap(fd, 0, int(size), prot, unix.MAP_SHARED)
}

func (p *memoryPlugin) Next(schemas func(*wire.Request) ([]*arrow.Schema, error)) (*wire.Request, []arrow.Record, error) {
	req := &wire.Request{}
	if err := p.read(req); err != nil {
		if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) {
			err = io.EOF
		}
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, io.EOF
	}
	all := &wire.Place{Length: uint64(len(p.in))}
	return requested(req, schemas, func(at *wire.Place) ([]byte, error) { return copied(p.in, all, at) })
}

func (p *memoryPlugin) Answer(req *wire.Request, resp *wire.Response, parts []arrow.Record) error {
	resp.Id = req.Id
	room := req.Room
	if room != nil && (room.Offset%64 != 0 || room.Offset > uint64(len(p.out)) || room.Length > uint64(len(p.out))-room.Offset) {
		return fmt.Errorf("request %d: room for the answer at %d, %d bytes, of a region of %d", req.Id, room.Offset, room.Length, len(p.out))
	}
	resp.Parts = place(p.out, room, parts)
	req.Room = nil // what follows would overwrite what the host has not read
	return p.write(resp)
}

func (p *memoryPlugin) Limit() int { return wire.MaxFrame / 4 }

// Close ends the channel. It may be called while Next is at work, and not while Answer is.
func (p *memoryPlugin) Close() error {
	err := p.conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, m := range [][]byte{p.in, p.out} {
		if m != nil {
			err = errors.Join(err, unix.Munmap(m))
		}
	}
	p.in, p.out = nil, nil
	return err
}
