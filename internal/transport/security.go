package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Security says how connections are authenticated and encrypted. Files are named, their content is never shipped (P21).
//
// With CA, every certificate that it signed is one of ours, whatever host it names: use an authority of the job's own.
type Security struct {
	Token         []byte // shared secret; both sides prove that they know it
	Cert, Key, CA string // PEM files; all empty: no TLS
}

// Encrypted tells whether TLS is configured.
func (s Security) Encrypted() bool { return s.Cert != "" || s.Key != "" || s.CA != "" }

// Check refuses what would be open to strangers: an address beyond loopback without TLS, and a connection that proves
// neither a token nor a certificate. The error says what to set.
func (s Security) Check(network, addr string) error {
	mutual := s.Cert != "" && s.Key != "" && s.CA != ""
	if network != "unix" && !loopback(addr) && !s.Encrypted() {
		return fmt.Errorf("%s is reachable from other machines, and nothing is encrypted: set --tls-cert, --tls-key and --tls-ca (PEM files), or use a loopback address such as 127.0.0.1:7077", addr)
	}
	if len(s.Token) == 0 && !mutual {
		return fmt.Errorf("%s: nothing proves who connects: set --token-file to a file with a shared secret, or --tls-cert, --tls-key and --tls-ca for mutual TLS", addr)
	}
	return nil
}

// loopback tells whether addr can be reached from this machine only. Names other than localhost may resolve to anything.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// server is the TLS configuration of a listening side, nil without TLS.
func (s Security) server() (*tls.Config, error) {
	if !s.Encrypted() {
		return nil, nil
	}
	if s.Cert == "" || s.Key == "" {
		return nil, errors.New("a listener with TLS needs a certificate and its key: set --tls-cert and --tls-key")
	}
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	if s.CA != "" {
		c.ClientCAs, c.ClientAuth = c.RootCAs, tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// client is the TLS configuration of a dialing side, nil without TLS.
func (s Security) client() (*tls.Config, error) {
	if !s.Encrypted() {
		return nil, nil
	}
	if s.CA == "" {
		return nil, errors.New("TLS without an authority trusts nobody: set --tls-ca")
	}
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	// The chain is checked below, against our own authority; host names are not, since executors listen wherever they run.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(st tls.ConnectionState) error {
		if len(st.PeerCertificates) == 0 {
			return errors.New("the other side showed no certificate")
		}
		between := x509.NewCertPool()
		for _, cert := range st.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := st.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: c.RootCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		return err
	}
	return c, nil
}

func (s Security) load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", s.Cert, s.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authority %s: no PEM certificate in it", s.CA)
		}
	}
	return c, nil
}
