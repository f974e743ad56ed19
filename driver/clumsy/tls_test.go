package clumsy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// authority signs certificates of a place.
type authority struct {
	p    *place
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

// authority makes NAME.pem.
func (p *place) authority(name string) *authority {
	p.t.Helper()
	a := &authority{p: p}
	a.cert, a.key = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes NAME.pem and NAME.key, for this machine.
func (a *authority) issue(name string) {
	a.p.t.Helper()
	a.sign(name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.p.t.Helper()
	must := func(err error) {
		a.p.t.Helper()
		if err != nil {
			a.p.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	a.n++
	c.SerialNumber, c.Subject = big.NewInt(a.n), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(err)
	secret, err := x509.MarshalECPrivateKey(key)
	must(err)
	a.p.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.p.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert, key
}

// TestListenBeyondLoopback: with TLS and a token, or with mutual TLS, a job listens on all addresses and runs; who lacks one of them is kept out.
func TestListenBeyondLoopback(t *testing.T) {
	const both = "--tls-ca ca.pem --tls-cert %.pem --tls-key %.key"
	for name, flags := range map[string]string{"token": both + " --token-file token", "mutual": both} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.produce("lines", "a b a")
			p.write("token", "0123456789abcdef0123456789abcdef")
			p.write("other", "another token, that nobody else has")
			ca := p.authority("ca")
			ca.issue("driver")
			ca.issue("executor")
			p.authority("foreign").issue("stranger")
			as := func(who string) []string { return strings.Fields(strings.ReplaceAll(flags, "%", who)) }
			driver := p.start("words", append(as("driver"), "--master", "listen:0.0.0.0:0", "--checkpoint", "ck", "--to", "console", "--until-caught-up")...)
			_, port, err := net.SplitHostPort(driver.says(`waiting for executors.* addr=(\S+)`)[1])
			if err != nil {
				t.Fatal(err)
			}
			join := append(as("executor"), "--executor", "127.0.0.1:"+port)
			p.run("words", append(join, "--tls-ca", "foreign.pem")...).refused(t, 1, "certificate signed by unknown authority")
			p.run("words", append(join, "--tls-cert", "stranger.pem", "--tls-key", "stranger.key")...).refused(t, 1, "driver at 127.0.0.1:"+port)
			if name == "token" {
				p.run("words", append(join, "--token-file", "other")...).refused(t, 1, "the token differs")
			}
			x := p.start("words", join...)
			if r := driver.wait(); r.code != 0 || !strings.Contains(r.err, "a        2") {
				t.Errorf("driver: %d\n%s\nexecutor:\n%s", r.code, r.err, x.log.String())
			}
			if r := x.wait(); r.code != 0 {
				t.Errorf("executor: %d\n%s", r.code, r.err)
			}
		})
	}
}
