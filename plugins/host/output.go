package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sort"
	"sync"
)

const (
	maxLine   = 8 << 10 // longer lines are cut
	tailLines = 20
)

// output takes what a process prints: lines go to the log, and the last of them are kept for messages.
type output struct {
	log *slog.Logger

	mu     sync.Mutex // guards the rest
	tail   []string   // at most tailLines, oldest first
	stdout bool       // told that it prints there
}

// last are the last lines on standard error.
func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.tail...)
}

// read takes lines until r ends.
func (o *output) read(r io.Reader, take func(string)) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			take(string(bytes.TrimRight(line, "\r\n")))
		}
		for err == bufio.ErrBufferFull {
			_, err = b.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

// line is one on standard error.
func (o *output) line(s string) {
	text := o.logged(s)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.tail) == tailLines {
		o.tail = append(o.tail[:0], o.tail[1:]...)
	}
	o.tail = append(o.tail, text)
}

// logged puts a line into the log, and gives it back for people. Lines of hclog are JSON objects, which are taken apart.
func (o *output) logged(s string) string {
	var m map[string]any
	if len(s) == 0 || s[0] != '{' || json.Unmarshal([]byte(s), &m) != nil {
		o.log.Info("plugin output", "line", printable(s, maxLine))
		return s
	}
	text, ok := m["@message"].(string)
	if !ok {
		o.log.Info("plugin output", "line", printable(s, maxLine))
		return s
	}
	level := slog.LevelInfo
	switch m["@level"] {
	case "trace", "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	var names []string
	for k := range m {
		if k != "@message" && k != "@level" && k != "@timestamp" {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	var args []any
	for _, k := range names {
		args = append(args, k, m[k])
	}
	o.log.Log(context.Background(), level, printable(text, maxLine), args...)
	return text
}

// printed is a line on standard output behind the handshake, where nothing belongs.
func (o *output) printed(s string) {
	o.mu.Lock()
	told := o.stdout
	o.stdout = true
	o.mu.Unlock()
	if !told {
		o.log.Warn("plugin prints to standard output, which is the engine's: it should print to standard error")
	}
	o.log.Info("plugin output", "stream", "stdout", "line", printable(s, maxLine))
}

// lines makes lines of what is written, and gives them to take. One goroutine at a time.
type lines struct {
	take func(string)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			break
		}
		l.take(string(bytes.TrimRight(l.rest[:min(i, maxLine)], "\r")))
		l.rest = l.rest[i+1:]
	}
	if len(l.rest) > maxLine {
		l.take(string(l.rest[:maxLine]))
		l.rest = nil
	}
	return len(p), nil
}
