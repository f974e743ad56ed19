package kafkatls

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that only the given authority vouches for is reached with it, and not without.
func TestConfig(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ca string
		ok bool
	}{{ca, true}, {"", false}} {
		conf, err := Config("", "", c.ca)
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
		resp, err := client.Get(srv.URL)
		if (err == nil) != c.ok {
			t.Errorf("authority %q: %v", c.ca, err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][3]string{
		"read the certificate authority": {"", "", filepath.Join(dir, "missing.pem")},
		"holds no certificate":           {"", "", garbage},
		"load the client certificate":    {garbage, garbage, ""},
	} {
		if _, err := Config(args[0], args[1], args[2]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
