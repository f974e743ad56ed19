package driver

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// Status is what /status shows.
type Status struct {
	Job        string           `json:"job"`
	State      string           `json:"state"` // waiting, running, draining, flushing, ended
	Master     string           `json:"master"`
	Checkpoint string           `json:"checkpoint,omitempty"`
	UUID       string           `json:"uuid"`
	Epoch      int64            `json:"epoch"`
	Generation int64            `json:"generation"`
	Planned    int64            `json:"planned"`   // last planned batch
	Committed  int64            `json:"committed"` // last published batch
	InFlight   int              `json:"in_flight"`
	Partitions int              `json:"partitions"` // reduce partitions
	Figures    Figures          `json:"figures"`
	Sources    []SourceStatus   `json:"sources"`
	Executors  []ExecutorStatus `json:"executors"`
	Recent     []BatchFigures   `json:"recent"`

	EventTime    []EventTimeStatus   `json:"event_time,omitempty"`
	Operators    []OperatorStatus    `json:"operators,omitempty"`
	Accumulators []AccumulatorStatus `json:"accumulators,omitempty"`
	Broadcasts   []BroadcastStatus   `json:"broadcasts,omitempty"`
}

// SourceStatus is one source partition.
type SourceStatus struct {
	Source    string `json:"source"`
	Partition int    `json:"partition"`
	Key       string `json:"key"`
	Executor  string `json:"executor,omitempty"`
	Next      int64  `json:"next"` // next offset to plan
	Held      int64  `json:"held"` // offsets below are in memory
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
}

// ExecutorStatus is one executor.
type ExecutorStatus struct {
	Name   string `json:"name"`
	Slots  int    `json:"slots"`
	Reduce int    `json:"reduce"` // reduce partitions that it owns
}

// status is made by the loop's goroutine.
func (e *engine) status() Status {
	m := e.machine
	s := Status{
		Job: e.cfg.Name, State: m.phase.String(), Master: e.cfg.Master, Checkpoint: e.shared, UUID: m.recovered.UUID, Epoch: m.recovered.Epoch,
		Generation: m.generation, Planned: m.last, Committed: m.committed, InFlight: len(m.flights), Partitions: m.active.Reduce,
		Figures: e.cfg.Stats.Read(), Recent: e.cfg.Stats.Recent(), Sources: []SourceStatus{}, Executors: []ExecutorStatus{},
	}
	m.eachPart(func(_ *input, p *part) {
		s.Sources = append(s.Sources, SourceStatus{p.Source, p.Partition.Partition, p.Key, p.owner, p.next, p.held, p.end, max(p.end-p.next, 0)})
	})
	for _, name := range sortedKeys(m.execs) {
		x := ExecutorStatus{Name: name, Slots: m.execs[name].slots}
		for _, owner := range m.reduce {
			if owner == name {
				x.Reduce++
			}
		}
		s.Executors = append(s.Executors, x)
	}
	m.eventStatus(&s)
	e.sharedStatus(&s)
	return s
}

// ask gets a status from the loop.
func (e *engine) ask(ctx context.Context) (Status, error) {
	answer := make(chan Status, 1)
	select {
	case e.asks <- answer:
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
	select {
	case s := <-answer:
		return s, nil
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
}

// httpAddr completes --http: without a host it is loopback; beyond that it needs a token and TLS.
func (e *engine) httpAddr() (string, error) {
	addr := e.cfg.HTTP
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", usagef("--http %q: want HOST:PORT or PORT", e.cfg.HTTP)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", usagef("--http %q: want HOST:PORT or PORT: %w", e.cfg.HTTP, err)
	}
	addr = net.JoinHostPort(host, port)
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return addr, nil
	}
	if e.cfg.TokenFile == "" || e.cfg.TLSCert == "" || e.cfg.TLSKey == "" {
		return "", usagef("--http %s can be reached from other machines: set --token-file, --tls-cert and --tls-key, or use a loopback address", addr)
	}
	return addr, nil
}

// serveHTTP starts the status server; its address is logged.
func (e *engine) serveHTTP(ctx context.Context, g *errgroup.Group) error {
	addr, err := e.httpAddr()
	if err != nil {
		return err
	}
	sec, err := e.cfg.security()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--http %s: the port is in use: stop what listens there, or choose another port (0 takes any)", addr)
	}
	if err != nil {
		return fmt.Errorf("--http %s: %w", addr, err)
	}
	srv := &http.Server{Handler: guard(string(sec.Token), e.handler()), ReadHeaderTimeout: 5 * time.Second}
	e.log.Info("status page", "addr", l.Addr().String())
	g.Go(func() error {
		var err error
		if e.cfg.TLSCert != "" {
			err = srv.ServeTLS(l, e.cfg.TLSCert, e.cfg.TLSKey)
		} else {
			err = srv.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			e.post(ctx, abort{"--http: " + err.Error()})
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return srv.Close()
	})
	return nil
}

func (e *engine) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if _, err := e.ask(ctx); err != nil {
			http.Error(w, "the driver does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.ask(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(s) // the client has gone
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.metrics(), promhttp.HandlerOpts{}))
	return mux
}

// guard asks for the job's token as a bearer token, where there is one.
func guard(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			http.Error(w, "give the job's token: Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
