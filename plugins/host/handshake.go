package host

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// handshake is the first line of a process's standard output: 1|1|unix|PATH|grpc|CERTIFICATE.
type handshake struct {
	mu    sync.Mutex // guards the rest
	heard bool
	cert  bool
	err   error
}

func (h *handshake) done() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard
}

func (h *handshake) certificate() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cert
}

func (h *handshake) wrong() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// take parses a line.
func (h *handshake) take(line string, more []string, folder string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = true
	f := strings.Split(line, "|")
	if len(f) < 5 || !isNumber(f[0]) || !isNumber(f[1]) {
		h.err = fmt.Errorf("its first line on standard output is not that of a plugin: is it one, and does it print before it serves? Standard output is the engine's, print to standard error. It printed:\n%s",
			indent(append([]string{line}, more...)))
		return h.err
	}
	if v, _ := strconv.Atoi(f[1]); f[0] != "1" || v != wire.Protocol {
		h.err = versions(f[1], f[0])
		return h.err
	}
	if clean := filepath.Clean(f[3]); f[2] != "unix" || !strings.HasPrefix(clean, folder+string(filepath.Separator)) {
		h.err = fmt.Errorf("it listens at %s, which must be a unix socket in the folder PLUGIN_UNIX_SOCKET_DIR, %s: build it with a newer SDK", printable(f[2]+" "+f[3], 300), folder)
		return h.err
	}
	h.cert = len(f) > 5 && len(f[5]) > 50 // as go-plugin tells
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// versions says who has to be upgraded. core is go-plugin's own version.
func versions(protocol, core string) error {
	if core != "1" {
		return fmt.Errorf("it speaks version %s of go-plugin's handshake, and this millrace speaks 1: build it with the SDK of this version of millrace", core)
	}
	who := "upgrade millrace, or build the plugin with an older SDK"
	if v, err := strconv.Atoi(protocol); err == nil && v < wire.Protocol {
		who = "build the plugin with a newer SDK"
	}
	return fmt.Errorf("it speaks version %s of the plugin protocol, and this millrace speaks %d: %s", protocol, wire.Protocol, who)
}

// readStdout takes the handshake, and hands it on to go-plugin. What is printed behind it goes to the log.
func (p *process) readStdout(r io.Reader) {
	defer p.toGo.Close()
	b := bufio.NewReaderSize(r, 64<<10)
	line, err := b.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return
	}
	text := strings.TrimSpace(string(line))
	var more []string
	if rest, _ := b.Peek(b.Buffered()); len(rest) > 0 {
		more = strings.Split(strings.TrimRight(string(rest), "\n"), "\n")
		more = more[:min(len(more), 4)]
	}
	if p.hello.take(text, more, p.folder) == nil {
		_, _ = fmt.Fprintln(p.toGo, text)
	}
	_ = p.toGo.Close()
	p.out.read(b, p.out.printed)
}
