// Package kafkatls reads the TLS files of a connection to Kafka's brokers.
package kafkatls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Config reads PEM files: the client's certificate and key (both or none), and the authority that signed the brokers' certificates
// (empty: the system's). Their content is in no error.
func Config(cert, key, ca string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("kafka: read the certificate authority: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka: %s holds no certificate in PEM form", ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("kafka: load the client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
