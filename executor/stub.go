package executor

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/transport"
)

// Stats counts what an executor did, for tests.
type Stats struct{}

// Acceptor is the driver's listening side.
type Acceptor struct{}

func (a *Acceptor) Accept() (Conn, error) { panic("unwritten") }
func (a *Acceptor) Addr() string          { panic("unwritten") }
func (a *Acceptor) Close() error          { panic("unwritten") }

func startLocal(ctx context.Context, cfg Config) (Conn, error) { panic("unwritten") }
func serveSocket(ctx context.Context, path string, token []byte, cfg Config, orphan time.Duration) error {
	panic("unwritten")
}
func dialExecutor(ctx context.Context, network, addr string, sec transport.Security) (Conn, error) {
	panic("unwritten")
}
func listenForExecutors(addr string, sec transport.Security) (*Acceptor, error) { panic("unwritten") }
func joinDriver(ctx context.Context, addr string, sec transport.Security, cfg Config) error {
	panic("unwritten")
}
