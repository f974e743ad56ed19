package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func listen(t *testing.T, network, addr string, sec Security) *Listener {
	t.Helper()
	l, err := Listen(network, addr, sec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// echo sends frames there and back.
func echo(t *testing.T, l *Listener, dial Security) {
	t.Helper()
	c, err := Dial(t.Context(), l.Addr().Network(), l.Addr().String(), dial, Blocks, "me")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Role() != Blocks || s.Name() != "me" {
		t.Errorf("role %v, name %q", s.Role(), s.Name())
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), chunk/8) // more than one step of growth
	go func() { _ = c.Write(0, 7, []byte("head"), nil, big) }()
	kind, payload, err := s.Read(0)
	if err != nil || kind != 7 || !bytes.Equal(payload, append([]byte("head"), big...)) {
		t.Fatalf("kind %d, %d bytes, %v", kind, len(payload), err)
	}
	if err := s.Write(time.Second, 8); err != nil {
		t.Fatal(err)
	}
	if kind, payload, err = c.Read(0); err != nil || kind != 8 || len(payload) != 0 {
		t.Fatalf("kind %d, %q, %v", kind, payload, err)
	}
	if _, _, err = c.Read(time.Millisecond); err == nil || !strings.Contains(err.Error(), "nothing was heard") {
		t.Errorf("silence: %v", err)
	}
}

func TestSockets(t *testing.T) {
	sec := Security{Token: []byte("secret")}
	t.Run("unix", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		echo(t, listen(t, "unix", path, sec), sec)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
	t.Run("left behind", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		dead, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Listen("unix", path, sec, quiet); err == nil {
			t.Error("a socket that somebody listens on was taken")
		}
		dead.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = dead.Close()
		echo(t, listen(t, "unix", path, sec), sec)
	})
	t.Run("tcp", func(t *testing.T) { echo(t, listen(t, "tcp", "127.0.0.1:0", sec), sec) })
}

func TestToken(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", Security{Token: []byte("secret")})
	_, err := Dial(t.Context(), "tcp", l.Addr().String(), Security{Token: []byte("guess")}, Control, "x")
	if !errors.Is(err, ErrToken) {
		t.Errorf("a wrong token: %v", err)
	}
	// A dialer that does not check the listener's proof must prove itself all the same.
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := sendHello(raw, hello{Magic: magic, Version: Version, Role: Control, Nonce: newNonce()}); err != nil {
		t.Fatal(err)
	}
	h, err := readHello(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFrame(raw, MaxHello, kindProof, h.Proof); err != nil { // the listener's own proof, sent back
		t.Fatal(err)
	}
	if _, _, err := readFrame(raw, MaxHello); !errors.Is(err, io.EOF) {
		t.Errorf("a reflected proof: %v", err)
	}
}

func TestStrangers(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", Security{Token: []byte("secret")})
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\xff"} {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		_ = raw.(*net.TCPConn).CloseWrite()
		if _, err := io.ReadAll(raw); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %v", bytes, err)
		}
		_ = raw.Close()
	}
	silent, err := net.Dial("tcp", l.Addr().String()) // says nothing, delays nobody
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	echo(t, l, Security{Token: []byte("secret")})
}

func TestVersions(t *testing.T) {
	a, b := net.Pipe()
	go func() {
		_ = sendHello(a, hello{Magic: magic, Version: 99, Role: Control, Nonce: newNonce()})
		_, _ = io.ReadAll(a)
	}()
	if _, _, err := greet(b, []byte("t")); err == nil || !strings.Contains(err.Error(), "version 1 is spoken here, not 99") {
		t.Errorf("%v", err)
	}
	_ = b.Close()
}

func TestRefusesOpenAddresses(t *testing.T) {
	token := []byte("t")
	for _, c := range []struct {
		network, addr string
		sec           Security
		want          string
	}{
		{"tcp", "0.0.0.0:0", Security{Token: token}, "--tls-cert"},
		{"tcp", ":7077", Security{Token: token}, "--tls-cert"},
		{"tcp", "example.org:7077", Security{Token: token}, "--tls-cert"},
		{"tcp", "127.0.0.1:0", Security{}, "--token-file"},
		{"unix", "/x", Security{}, "--token-file"},
		{"tcp", "10.0.0.1:1", Security{Cert: "c", Key: "k"}, "--token-file"},
		{"tcp", "[::1]:1", Security{Token: token}, ""},
		{"tcp", "localhost:1", Security{Token: token}, ""},
		{"tcp", "10.0.0.1:1", Security{Cert: "c", Key: "k", CA: "a"}, ""},
		{"tcp", "10.0.0.1:1", Security{Token: token, Cert: "c", Key: "k"}, ""},
	} {
		err := c.sec.Check(c.network, c.addr)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: %v", c.network, c.addr, err)
		}
	}
}

// authority makes a certificate authority and certificates in files.
func authority(t *testing.T) (issue func() Security) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "job"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	caPath := write("ca.pem", "CERTIFICATE", der)
	n := int64(1)
	return func() Security {
		n++
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(n), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		name := big.NewInt(n).String()
		return Security{Cert: write(name+".pem", "CERTIFICATE", der), Key: write(name+".key", "PRIVATE KEY", raw), CA: caPath}
	}
}

func TestTLS(t *testing.T) {
	issue, other := authority(t), authority(t)
	server := issue()
	t.Run("mutual", func(t *testing.T) { echo(t, listen(t, "tcp", "127.0.0.1:0", server), issue()) })
	t.Run("with token", func(t *testing.T) {
		a, b := server, issue()
		a.Token, b.Token = []byte("t"), []byte("t")
		echo(t, listen(t, "tcp", "127.0.0.1:0", a), b)
	})
	t.Run("stranger", func(t *testing.T) {
		l := listen(t, "tcp", "127.0.0.1:0", server)
		if _, err := Dial(t.Context(), "tcp", l.Addr().String(), other(), Control, "x"); err == nil {
			t.Error("a certificate of another authority is accepted")
		}
		mixed := other()
		mixed.CA = server.CA // trusts the listener, and is not trusted
		if _, err := Dial(t.Context(), "tcp", l.Addr().String(), mixed, Control, "x"); err == nil {
			t.Error("a client of another authority is accepted")
		}
		if _, err := Dial(t.Context(), "tcp", l.Addr().String(), Security{Token: []byte("t")}, Control, "x"); err == nil {
			t.Error("a client without TLS is accepted")
		}
	})
}

func TestFrameLimits(t *testing.T) {
	var b bytes.Buffer
	if err := writeFrame(&b, 4, 1, []byte("12345")); err == nil {
		t.Error("a frame beyond the limit is written")
	}
	if err := writeFrame(&b, 5, 1, []byte("12345")); err != nil {
		t.Error(err)
	}
	whole := b.Bytes()
	if _, _, err := readFrame(bytes.NewReader(whole), 4); err == nil {
		t.Error("a frame beyond the limit is read")
	}
	for i := range whole {
		if _, _, err := readFrame(bytes.NewReader(whole[:i]), 5); err == nil {
			t.Errorf("%d of %d bytes are taken for a frame", i, len(whole))
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x03\x00\x00\x00\x07abc"))
	f.Add([]byte("\xff\xff\xff\xff\x07abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, payload, err := readFrame(bytes.NewReader(b), 1<<20)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, 1<<20, kind, payload); err != nil || !bytes.HasPrefix(b, out.Bytes()) {
			t.Errorf("%q became %q, %v", b, out.Bytes(), err)
		}
	})
}

func FuzzHello(f *testing.F) {
	var b bytes.Buffer
	_ = sendHello(&b, hello{Magic: magic, Version: 1, Role: Control, Nonce: make([]byte, 32)})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := greet(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(b), io.Discard}, []byte("t")); err == nil {
			t.Error("nobody can prove a token without having seen the listener's nonce")
		}
	})
}
